namespace Pfmvg.Phantoms.Planning;

/// <summary>Chooses the findings of a picture so that none overlaps another.</summary>
internal static class FindingSampler
{
    // The phrase counts of MS-CXR (in the paper's order of classes) to the power 0.75: rare classes become less rare.
    private static readonly double[] Weights = new double[] { 182, 245, 117, 61, 46, 333, 82, 96 }.Select(n => Math.Pow(n, 0.75)).ToArray();

    private static readonly double[] CountWeights = [0, 0.06, 0.20, 0.32, 0.25, 0.13, 0.04];

    /// <summary>Parts of a lung that a finding occupies.</summary>
    [Flags]
    private enum LungParts
    {
        None = 0,
        Upper = 1,
        Mid = 2,
        Lower = 4,
        All = 7,
    }

    /// <summary>About 3.3 findings on average.</summary>
    /// <param name="random">The picture's stream.</param>
    /// <param name="wanted">A class that must be there, or null.</param>
    /// <param name="earlier">Findings of the patient's last study, half of which persist.</param>
    public static List<Finding> Sample(CounterRandom random, FindingClass? wanted, IReadOnlyList<Finding> earlier)
    {
        var chest = new Chest();
        var count = random.Weighted(CountWeights);
        if (wanted is { } first) chest.Place(first, random);
        foreach (var finding in earlier)
        {
            if (chest.Findings.Count < count && random.Chance(0.5)) chest.PlaceAgain(finding, random);
        }

        for (var tries = 0; chest.Findings.Count < count && tries < 20; tries++)
            chest.Place((FindingClass)random.Weighted(Weights), random);
        return chest.Findings;
    }

    private sealed class Chest
    {
        private LungParts _right, _left;

        public List<Finding> Findings { get; } = [];

        /// <summary>Places a finding of a class where there is space, if there is any.</summary>
        public void Place(FindingClass finding, CounterRandom random)
        {
            for (var tries = 0; tries < 6; tries++)
            {
                var side = finding == FindingClass.Cardiomegaly ? FindingSide.None
                    : random.Chance(BothSides(finding)) ? FindingSide.Both
                    : random.Pick(FindingSide.Right, FindingSide.Left);
                var size = (FindingSize)random.Weighted([0.28, 0.42, 0.30]);
                if (side == FindingSide.Both && size == FindingSize.Large) size = FindingSize.Moderate;
                if (TryAdd(new(finding, side, Zone(finding, size, random), size, (long)random.NextBits()))) return;
            }
        }

        /// <summary>Places a finding of the last study again, a little changed.</summary>
        public void PlaceAgain(Finding earlier, CounterRandom random)
        {
            var same = random.Chance(0.5) || earlier.Side == FindingSide.Both;
            var size = same ? earlier.Size : random.Pick(FindingSize.Small, FindingSize.Moderate);
            TryAdd(earlier with { Size = size, Key = (long)random.NextBits() });
        }

        private bool TryAdd(Finding finding)
        {
            var alike = Findings.Where(other => other.Class == finding.Class).ToList();
            var parts = OccupiedParts(finding);
            var (right, left) = (finding.Side is FindingSide.Right or FindingSide.Both ? parts : LungParts.None,
                finding.Side is FindingSide.Left or FindingSide.Both ? parts : LungParts.None);
            if ((_right & right) != 0 || (_left & left) != 0) return false;
            if (alike.Any(other => finding.Side is FindingSide.None or FindingSide.Both || other.Side == FindingSide.Both)) return false;
            if (alike.Any(other => other.Side == finding.Side && (finding.Zone == FindingZone.None || other.Zone == finding.Zone)))
                return false;
            (_right, _left) = (_right | right, _left | left);
            Findings.Add(finding);
            return true;
        }
    }

    private static double BothSides(FindingClass finding) => finding switch
    {
        FindingClass.Edema => 0.7,
        FindingClass.PleuralEffusion => 0.4,
        FindingClass.Atelectasis => 0.4,
        FindingClass.Pneumonia => 0.2,
        FindingClass.Consolidation => 0.15,
        _ => 0,
    };

    private static FindingZone Zone(FindingClass finding, FindingSize size, CounterRandom random) => finding switch
    {
        FindingClass.Cardiomegaly or FindingClass.Edema or FindingClass.PleuralEffusion => FindingZone.None,
        FindingClass.Pneumothorax when size == FindingSize.Large => FindingZone.None,
        FindingClass.Pneumothorax => random.Chance(0.75) ? FindingZone.Apical : FindingZone.Basal,
        FindingClass.Atelectasis => random.Pick(
            FindingZone.Upper, FindingZone.Mid, FindingZone.Lower, FindingZone.Lower, FindingZone.Basal),
        _ => random.Pick(FindingZone.Apical, FindingZone.Upper, FindingZone.Upper, FindingZone.Mid, FindingZone.Mid,
            FindingZone.Lower, FindingZone.Lower, FindingZone.Basal),
    };

    private static LungParts OccupiedParts(Finding finding) => finding switch
    {
        { Class: FindingClass.Cardiomegaly } => LungParts.None,
        { Class: FindingClass.Edema } => LungParts.Mid,
        { Class: FindingClass.PleuralEffusion, Size: FindingSize.Large } => LungParts.Lower | LungParts.Mid,
        { Class: FindingClass.PleuralEffusion } => LungParts.Lower,
        { Class: FindingClass.Pneumothorax, Size: FindingSize.Large } => LungParts.All,
        { Class: FindingClass.Pneumothorax, Size: FindingSize.Moderate, Zone: FindingZone.Basal } => LungParts.Lower | LungParts.Mid,
        { Class: FindingClass.Pneumothorax, Size: FindingSize.Moderate } => LungParts.Upper | LungParts.Mid,
        { Zone: FindingZone.Apical or FindingZone.Upper, Size: FindingSize.Large } => LungParts.Upper | LungParts.Mid,
        { Zone: FindingZone.Mid, Size: FindingSize.Large } => LungParts.All,
        { Size: FindingSize.Large } => LungParts.Lower | LungParts.Mid,
        { Zone: FindingZone.Apical or FindingZone.Upper } => LungParts.Upper,
        { Zone: FindingZone.Mid } => LungParts.Mid,
        _ => LungParts.Lower,
    };
}
