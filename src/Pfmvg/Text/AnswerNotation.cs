using System.Globalization;
using System.Text.RegularExpressions;

namespace Pfmvg.Text;

/// <summary>A way in which a family of models writes boxes into its answers.</summary>
/// <remarks>
/// A notation finds four numbers per box; what they mean is settled once for a file. Reading takes time linear in the length
/// of the answer.
/// </remarks>
internal sealed class AnswerNotation
{
    private const string N = @"(-?(?:[0-9]+\.?[0-9]*|\.[0-9]+))";
    private const string Comma = @"\s*,\s*";
    private const string Four = N + Comma + N + Comma + N + Comma + N;
    private const string Points = @"\(\s*" + N + Comma + N + @"\s*\)\s*,?\s*\(\s*" + N + Comma + N + @"\s*\)";

    private readonly Regex? _frame; // what holds the boxes, where that is more than the box itself
    private readonly Regex _box;

    private AnswerNotation(string name, string? frame, string box)
    {
        Name = name;
        _frame = frame is null ? null : Compiled(frame);
        _box = Compiled(box);

        static Regex Compiled(string pattern) => new(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant
            | RegexOptions.IgnoreCase);
    }

    /// <summary>MiniGPT-v2's, which is also ours; <see cref="BoxCodec"/> reads it on the grid of 0..100.</summary>
    public static AnswerNotation Braces { get; } =
        new("{<x1><y1><x2><y2>}", null, $@"\{{\s*<{N}>\s*<{N}>\s*<{N}>\s*<{N}>\s*\}}") { Range = 100 };

    /// <summary>Every notation, the unmistakable ones first.</summary>
    public static IReadOnlyList<AnswerNotation> All { get; } =
    [
        Braces,
        new("bbox_2d (Qwen's JSON)", null, $@"bbox(?:_2d)?[""']?\s*:\s*\[\s*\[?\s*{Four}\s*\]"),
        new("box_2d (Gemini's JSON, y first)", null, $@"(?:^|[^b])box_2d[""']?\s*:\s*\[\s*{Four}\s*\]") { Range = 1000, RowFirst = true },
        new("<box>[[x1, y1, x2, y2]]</box> (InternVL)", @"<box>[^<>]*</box>", $@"\[\s*{Four}\s*\]") { Range = 1000 },
        new("<box>(x1,y1),(x2,y2)</box> (Qwen-VL)", @"(?:<box>[^<>]*</box>|<\|box_start\|>[^<>]*<\|box_end\|>)", Points) { Range = 1000 },
        new("<x..><y..><x..><y..> (MAIRA-2)", null, $@"<x{N}>\s*<y{N}>\s*<x{N}>\s*<y{N}>") { Range = 100 },
        new("<loc_x1><loc_y1><loc_x2><loc_y2> (Florence-2)", null, $@"<loc_{N}>\s*<loc_{N}>\s*<loc_{N}>\s*<loc_{N}>") { Range = 1000 },
        new("<locYYYY><locXXXX><locYYYY><locXXXX> (PaliGemma, y first)", null,
            string.Join(@"\s*", Enumerable.Repeat("<loc([0-9]{4})>", 4))) { Divisor = 1024, RowFirst = true, Range = 1 },
        new("[[x1,y1,x2,y2]] of three digits (CogVLM)", @"\[\[\s*[0-9]{3}\s*(?:[,;]\s*[0-9]{3}\s*)*\]\]", Four) { Range = 1000 },
        new("[x1, y1, x2, y2] (LLaVA, Shikra, RadVLM)", $@"\[\s*{Four}\s*(?:;\s*{Four}\s*)*\]", Four),
        new("(x1, y1), (x2, y2)", null, Points),
        new("four numbers and nothing else", $@"^\s*\(?\s*{N}[\s,]+{N}[\s,]+{N}[\s,]+{N}\s*\)?\.?\s*$", $@"{N}[\s,]+{N}[\s,]+{N}[\s,]+{N}"),
    ];

    /// <summary>What it is called in messages.</summary>
    public string Name { get; }

    /// <summary>The number of the picture's far edge by the models' own description; null where they differ.</summary>
    public int? Range { get; private init; }

    private double Divisor { get; init; } = 1;

    private bool RowFirst { get; init; }

    /// <summary>The first notation in which an answer has a box; null when it has none.</summary>
    public static AnswerNotation? Of(string answer) => All.FirstOrDefault(notation => notation.Matches(answer).Any());

    /// <summary>Every box of an answer: left, top, right, bottom or what else the model means by four numbers.</summary>
    public IReadOnlyList<double[]> Boxes(string answer) => [.. Matches(answer).Select(match =>
    {
        var n = Enumerable.Range(1, 4).Select(i =>
            double.Parse(match.Groups[i].ValueSpan, NumberStyles.Float, CultureInfo.InvariantCulture) / Divisor).ToArray();
        return RowFirst ? [n[1], n[0], n[3], n[2]] : n;
    })];

    /// <summary>What is wrong with an answer apart from the boxes themselves: none, or half of one, or other notations.</summary>
    public Flaw FlawOf(string answer)
    {
        var found = Matches(answer).Any();
        var opened = answer.LastIndexOfAny(['{', '[', '(', '<']);
        var open = opened >= 0 && answer.AsSpan(opened).IndexOfAny("}])>") < 0 && answer.AsSpan(opened).IndexOfAnyInRange('0', '9') >= 0;
        if (open) return Flaw.CutOff;
        var rest = _frame is null ? _box.Replace(answer, " ") : _frame.Replace(answer, " ");
        if (Of(rest) is not null) return Flaw.Malformed; // another notation stands beside it, or in its place
        return found ? Flaw.None : this == Braces ? BoxCodec.Parse(answer).Failure : Flaw.NoBox;
    }

    private IEnumerable<Match> Matches(string answer) => _frame is null ? _box.Matches(answer)
        : _frame.Matches(answer).SelectMany(frame => _box.Matches(frame.Value));
}
