using Pfmvg.Phantoms.Planning;
using static Pfmvg.Phantoms.Drawing.Thorax;

namespace Pfmvg.Phantoms.Drawing;

/// <summary>The chest at one point, without the finding.</summary>
/// <param name="Lung">1 in the lung.</param>
/// <param name="Heart">1 in the heart.</param>
/// <param name="Vessels">Density of the vessels.</param>
internal readonly record struct Tissue(float Lung, float Heart, float Vessels);

/// <summary>Density that a finding adds at (u, v).</summary>
internal delegate float Density(float u, float v, in Tissue tissue);

/// <summary>A part of a finding that gets one box. It adds nothing outside its rectangle, given in chest coordinates.</summary>
internal sealed record FindingShape(float Left, float Top, float Right, float Bottom, Density Added)
{
    // Density of the heart above the lung: the healthy chest and an enlarged heart must agree on it.
    public const float HeartInLung = 0.31f, HeartOverall = 0.08f;

    /// <summary>The shapes of a finding, one for each lung that it lies in.</summary>
    public static IEnumerable<FindingShape> PerLung(Finding finding, Thorax thorax, float heartScale) =>
        finding.Lungs.Select(side =>
        {
            var random = new CounterRandom(finding.Key, "shape", (long)side);
            return finding.Class switch
            {
                FindingClass.Cardiomegaly => Heart(thorax, heartScale),
                FindingClass.Pneumothorax => Pneumothorax(finding, side, thorax, random),
                FindingClass.PleuralEffusion => Effusion(finding, side, thorax, random),
                _ => Opacity(finding, side, thorax, heartScale, random),
            };
        });

    /// <summary>Width of the heart relative to a normal one; 1 without cardiomegaly.</summary>
    public static float HeartScale(IEnumerable<Finding> findings)
    {
        var enlarged = findings.FirstOrDefault(f => f.Class == FindingClass.Cardiomegaly);
        if (enlarged is null) return 1;
        var random = new CounterRandom(enlarged.Key, "heart");
        return enlarged.Size switch
        {
            FindingSize.Small => random.Range(1.35f, 1.48f),
            FindingSize.Moderate => random.Range(1.52f, 1.68f),
            _ => random.Range(1.72f, 1.95f),
        };
    }

    private static FindingShape Heart(Thorax thorax, float scale) => new(-1, -1, 1, 1.2f, (u, v, in tissue) =>
        Math.Max(0, thorax.Heart(u, v, scale) - tissue.Heart) * (HeartInLung * tissue.Lung + HeartOverall));

    /// <summary>Air between the wall and the lung, which has shrunk away from the apex or from the base.</summary>
    private static FindingShape Pneumothorax(Finding finding, FindingSide side, Thorax thorax, CounterRandom random)
    {
        var sign = side == FindingSide.Right ? -1 : 1;
        var (shrunk, reach) = finding.Size switch
        {
            FindingSize.Small => (random.Range(0.76f, 0.80f), random.Range(0.36f, 0.44f)),
            FindingSize.Moderate => (random.Range(0.64f, 0.70f), random.Range(0.60f, 0.74f)),
            _ => (random.Range(0.50f, 0.58f), random.Range(1.0f, 1.2f)),
        };
        var basal = finding.Zone == FindingZone.Basal;
        var anchorU = sign * 0.32f;
        var anchorV = basal ? -0.75f : 0.45f;
        var limit = basal ? thorax.Shape.Dome + 0.30f - reach : thorax.Shape.Apex + reach;
        return new(sign < 0 ? -1.1f : 0.1f, -1.15f, sign < 0 ? -0.1f : 1.1f, 1.1f, (u, v, in tissue) =>
        {
            if (tissue.Lung < 0.01f) return 0;
            var lung = thorax.Lung(anchorU + (u - anchorU) / shrunk, anchorV + (v - anchorV) / shrunk);
            var along = Step((basal ? v - limit : limit - v) / 0.12f);
            var line = 4 * lung * (1 - lung);
            return along * tissue.Lung * (0.16f * line * (1 - tissue.Heart) - (1 - lung) * (0.20f * (1 - tissue.Heart) + tissue.Vessels));
        });
    }

    /// <summary>Fluid at the base, higher at the wall.</summary>
    private static FindingShape Effusion(Finding finding, FindingSide side, Thorax thorax, CounterRandom random)
    {
        var sign = side == FindingSide.Right ? -1 : 1;
        var depth = finding.Size switch
        {
            FindingSize.Small => random.Range(0.34f, 0.42f),
            FindingSize.Moderate => random.Range(0.58f, 0.70f),
            _ => random.Range(0.88f, 1.10f),
        };
        var atWall = thorax.Diaphragm(sign * 0.97f) - depth;
        return new(sign < 0 ? -1.1f : 0.1f, atWall - 0.1f, sign < 0 ? -0.1f : 1.1f, 1.2f, (u, v, in tissue) =>
        {
            if (tissue.Lung < 0.01f) return 0;
            var inward = Math.Clamp(0.95f - sign * u, 0, 1);
            var level = atWall + 0.34f * inward * (1.6f - 0.6f * inward);
            return 0.36f * Step((v - level) / 0.06f) * tissue.Lung * (1 - 0.75f * tissue.Heart);
        });
    }

    /// <summary>The five classes that whiten a patch of lung, each with its own texture.</summary>
    private static FindingShape Opacity(Finding finding, FindingSide side, Thorax thorax, float heartScale, CounterRandom random)
    {
        var sign = side == FindingSide.Right ? -1 : 1;
        var share = finding.Zone switch
        {
            FindingZone.Apical => 0.15f,
            FindingZone.Upper => 0.33f,
            FindingZone.Mid or FindingZone.None => 0.53f,
            FindingZone.Lower => 0.72f,
            _ => 0.88f,
        };
        var v0 = thorax.Shape.Apex + (thorax.Shape.Dome + 0.06f - thorax.Shape.Apex) * (share + random.Range(-0.03f, 0.03f));
        var half = finding.Size switch
        {
            FindingSize.Small => random.Range(0.18f, 0.21f),
            FindingSize.Moderate => random.Range(0.25f, 0.30f),
            _ => random.Range(0.36f, 0.44f),
        };
        var (inner, outer) = thorax.Free(side, v0, heartScale);
        var available = Math.Max(0.3f, outer - inner);
        var wide = Math.Min(half * random.Range(1.0f, 1.3f), 0.60f * available);
        var u0 = sign * (inner + available * random.Range(0.42f, 0.60f));
        var noise = new ValueNoise(random.NextBits());
        Density shade;
        switch (finding.Class)
        {
            case FindingClass.Edema:
                (wide, half) = (Math.Min(0.44f * available, wide * 1.2f), half * 1.5f);
                u0 = sign * (inner + wide * 0.95f);
                shade = FindingTexture.Streaks(u0, v0, wide, half, noise);
                break;
            case FindingClass.Atelectasis:
                (wide, half) = (Math.Min(0.56f * available, half * 1.9f), half * 0.75f);
                shade = FindingTexture.Bands(u0, v0, wide, half, random);
                break;
            case FindingClass.Consolidation:
                shade = FindingTexture.Solid(u0, v0, wide, half, noise, random);
                break;
            case FindingClass.LungOpacity:
                shade = FindingTexture.Spot(u0, v0, wide = Math.Min(wide, half * 1.08f), half);
                break;
            default:
                shade = FindingTexture.Blotches(u0, v0, wide, half, noise, random);
                break;
        }

        const float Spread = 1.35f;
        return new(u0 - wide * Spread, v0 - half * Spread, u0 + wide * Spread, v0 + half * Spread, (u, v, in tissue) =>
            tissue.Lung < 0.01f ? 0 : shade(u, v, tissue) * tissue.Lung * (1 - 0.7f * tissue.Heart));
    }
}
