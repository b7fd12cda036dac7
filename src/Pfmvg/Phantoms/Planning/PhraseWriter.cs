using System.Globalization;

namespace Pfmvg.Phantoms.Planning;

/// <summary>
/// Words for findings. A phrase gives side, zone and size in varying order and wording, or leaves them out, but it always fits
/// exactly one finding of the picture.
/// </summary>
internal static class PhraseWriter
{
    /// <summary>One phrase for each finding, as an annotator would take it from a report.</summary>
    public static List<string> Phrases(PhantomPicture picture) => picture.Findings.Select((finding, index) =>
    {
        var random = picture.Random("phrase", index);
        var text = Phrase(finding, picture.Findings, random, clause: true);
        if (random.Chance(0.2)) text = Capitalize(text);
        return random.Chance(0.1) ? text + "." : text;
    }).ToList();

    /// <summary>A phrase in lower case.</summary>
    /// <param name="finding">What to name.</param>
    /// <param name="all">The picture's findings, among which the phrase must be unambiguous.</param>
    /// <param name="random">Chooses the wording.</param>
    /// <param name="clause">Whether a whole clause ("the heart is enlarged") is wanted, too.</param>
    public static string Phrase(Finding finding, IReadOnlyList<Finding> all, CounterRandom random, bool clause)
    {
        if (finding.Class == FindingClass.Cardiomegaly) return Heart(finding.Size, random, clause);
        var others = all.Where(other => other.Class == finding.Class && other != finding).ToList();
        var side = random.Chance(0.9) || finding.Side == FindingSide.Both && finding.Class != FindingClass.Edema;
        var zone = finding.Zone != FindingZone.None && random.Chance(0.8);
        if (Ambiguous()) side = true;
        if (Ambiguous()) zone = true;

        var size = random.Chance(0.6) ? Size(finding, random) + " " : "";
        var noun = Noun(finding, random);
        if (side && finding.Side == FindingSide.Both) return Bilateral(finding, zone, size, noun, random);
        var sideWord = !side ? "" : finding.Side == FindingSide.Right ? "right " : "left ";
        var the = side || zone ? "the " + sideWord : "";
        return (side, zone) switch
        {
            (false, false) => size + noun,
            (true, false) => random.Next(4) switch
            {
                0 => $"{size}{noun} on {the}".TrimEnd(),
                1 => $"{size}{sideWord.TrimEnd()}-sided {noun}",
                _ => size + sideWord + noun,
            },
            _ => random.Next(2) switch
            {
                0 => $"{size}{sideWord}{ZoneBefore(finding.Zone, random)} {noun}",
                _ => $"{size}{noun} {ZoneAfter(finding.Zone, the, random)}",
            },
        };

        bool Ambiguous() => others.Any(other => (!side || other.Side == finding.Side) && (!zone || other.Zone == finding.Zone));
    }

    /// <summary>The phrase with an article where it needs one: "a small left effusion", "mild pulmonary edema".</summary>
    public static string WithArticle(Finding finding, string phrase)
    {
        var counted = finding.Class is FindingClass.Pneumothorax or FindingClass.PleuralEffusion or FindingClass.LungOpacity
            || phrase.EndsWith("heart", StringComparison.Ordinal);
        if (!counted || finding.Side == FindingSide.Both) return phrase;
        return ("aeiou".Contains(phrase[0], StringComparison.Ordinal) ? "an " : "a ") + phrase;
    }

    /// <summary>Whether the phrase is a plural.</summary>
    public static bool IsPlural(Finding finding) => finding.Class == FindingClass.PleuralEffusion && finding.Side == FindingSide.Both;

    /// <summary>The first letter in upper case.</summary>
    public static string Capitalize(string text) => char.ToUpper(text[0], CultureInfo.InvariantCulture) + text[1..];

    /// <summary>The plain name used in negations.</summary>
    public static string PlainName(FindingClass finding) => finding switch
    {
        FindingClass.LungOpacity => "focal opacity",
        FindingClass.PleuralEffusion => "pleural effusion",
        FindingClass.Edema => "pulmonary edema",
        _ => finding.ToString().ToLowerInvariant(),
    };

    private static string Heart(FindingSize size, CounterRandom random, bool clause)
    {
        var (adjective, adverb) = size switch
        {
            FindingSize.Small => ("mild", "mildly"),
            FindingSize.Moderate => ("moderate", "moderately"),
            _ => (random.Pick("severe", "marked"), random.Pick("severely", "markedly")),
        };
        if (random.Chance(0.3)) (adjective, adverb) = ("", "");
        return (random.Next(clause ? 6 : 5) switch
        {
            0 or 1 => $"{adjective} cardiomegaly",
            2 => $"{adverb} enlarged heart",
            3 => $"{adjective} enlargement of the cardiac silhouette",
            4 => $"{adjective} cardiac enlargement",
            _ => $"the heart is {adverb} enlarged",
        }).Trim().Replace("  ", " ", StringComparison.Ordinal);
    }

    private static string Bilateral(Finding finding, bool zone, string size, string noun, CounterRandom random)
    {
        if (IsPlural(finding)) noun += "s";
        if (!zone) return random.Next(3) == 0 ? $"{size}{noun} on both sides" : $"{size}bilateral {noun}";
        return random.Next(2) == 0
            ? $"{size}bilateral {ZoneBefore(finding.Zone, random)} {noun}"
            : $"{size}{noun} {(finding.Zone switch
            {
                FindingZone.Apical => "at both apices",
                FindingZone.Upper => "in both upper lungs",
                FindingZone.Mid => "in both mid lungs",
                FindingZone.Lower => "in both lower lungs",
                _ => "at both bases",
            })}";
    }

    private static string Size(Finding finding, CounterRandom random) => (finding.Class, finding.Size) switch
    {
        (FindingClass.Edema, FindingSize.Small) => "mild",
        (FindingClass.Edema, FindingSize.Large) => "severe",
        (FindingClass.Atelectasis, FindingSize.Small) => random.Pick("mild", "minimal", "small"),
        (FindingClass.Pneumothorax or FindingClass.PleuralEffusion or FindingClass.LungOpacity, FindingSize.Large) => "large",
        (_, FindingSize.Small) => "small",
        (_, FindingSize.Moderate) => "moderate",
        _ => random.Pick("large", "extensive"),
    };

    private static string Noun(Finding finding, CounterRandom random) => finding.Class switch
    {
        FindingClass.Pneumonia => random.Pick("pneumonia", "pneumonia", "patchy pneumonia"),
        FindingClass.Pneumothorax => "pneumothorax",
        FindingClass.Consolidation => random.Pick("consolidation", "consolidation", "dense consolidation"),
        FindingClass.Atelectasis => random.Pick("atelectasis", "atelectasis", "linear atelectasis", "plate-like atelectasis"),
        FindingClass.Edema => random.Pick("pulmonary edema", "edema", "interstitial edema"),
        FindingClass.LungOpacity => random.Pick("opacity", "opacity", "hazy opacity", "round opacity"),
        _ => random.Pick("pleural effusion", "pleural effusion", "effusion"),
    };

    private static string ZoneBefore(FindingZone zone, CounterRandom random) => zone switch
    {
        FindingZone.Apical => "apical",
        FindingZone.Upper => random.Pick("upper lobe", "upper lung", "upper zone"),
        FindingZone.Mid => random.Pick("mid lung", "mid zone"),
        FindingZone.Lower => random.Pick("lower lobe", "lower lung", "lower zone"),
        _ => random.Pick("basilar", "basal"),
    };

    // The parameter includes the side, if any: "the right ".
    private static string ZoneAfter(FindingZone zone, string the, CounterRandom random) => zone switch
    {
        FindingZone.Apical => $"at {the}apex",
        FindingZone.Upper => $"in {the}{random.Pick("upper lobe", "upper lung")}",
        FindingZone.Mid => $"in {the}mid lung",
        FindingZone.Lower => $"in {the}{random.Pick("lower lobe", "lower lung")}",
        _ => $"at {the}{random.Pick("base", "lung base")}",
    };
}
