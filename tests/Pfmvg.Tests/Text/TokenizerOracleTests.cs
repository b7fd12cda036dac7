using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using Oracle = Microsoft.ML.Tokenizers.LlamaTokenizer;

namespace Pfmvg.Tests.Text;

/// <summary>
/// Our SentencePiece encoder beside Microsoft.ML.Tokenizers. The two part only at ties: in a run of one character the same
/// pair occurs at overlapping places with the same score, SentencePiece merges the leftmost, and the package another one.
/// See docs/decisions/001-tokenizer.md.
/// </summary>
public sealed class TokenizerOracleTests
{
    /// <summary>A run of three or more of one character, with what pieces join to its ends.</summary>
    private static readonly Regex Tie = new(@"^.{0,2}(.)\1{2,}.{0,2}$", RegexOptions.Singleline);

    public static TheoryData<string, string[]> Models => new()
    {
        { "tokenizer/tokenizer.model", ["$$$"] },
        { "llama2/tokenizer.model", ["$$$$$", "=====", new string('-', 20), "____", "......", new string(' ', 17), "on ____ by Dr. ____"] },
    };

    [Theory, MemberData(nameof(Models))]
    public void Thousands_of_texts_have_the_same_pieces_but_for_the_named_ties(string model, string[] ties)
    {
        var (ours, oracle) = Load(model);
        var texts = Texts().ToHashSet();
        Assert.InRange(texts.Count, 5_000, 20_000);
        foreach (var text in texts)
            foreach (var place in Disagreements(ours, oracle, text))
                Assert.True(Tie.IsMatch(place), $"They part at '{place}' in \"{text}\".");

        // When a version of the package decides these as SentencePiece does, it can take our encoder's place.
        foreach (var text in ties) Assert.NotEmpty(Disagreements(ours, oracle, text));
    }

    private static (SentencePieceModel Ours, Oracle Oracle) Load(string model)
    {
        var path = Fixtures.Path(model.Split('/'));
        Assert.SkipUnless(File.Exists(path),
            $"{model} is not part of this parity data (LLaMA-2's licence): set PFMVG_FIXTURES to a set that has it.");
        using var file = File.OpenRead(path);
        return (SentencePieceModel.Load(path), Oracle.Create(file, addBeginOfSentence: false, addEndOfSentence: false));
    }

    /// <summary>The stretches that the two cut into different pieces.</summary>
    private static List<string> Disagreements(SentencePieceModel ours, Oracle oracle, string text)
    {
        var (a, b) = (ours.Encode(text), oracle.EncodeToIds(text, addBeginningOfSentence: false, addEndOfSentence: false));
        var bytes = Encoding.UTF8.GetBytes((SentencePieceModel.SpaceMark + text).Replace(' ', SentencePieceModel.SpaceMark));
        List<string> places = [];
        for (int i = 0, j = 0, at = 0; i < a.Length || j < b.Count;)
        {
            var start = at;
            var (same, endOfB) = (a[i] == b[j], at + Length(b[j++]));
            at += Length(a[i++]);
            while (at != endOfB)
            {
                if (at < endOfB) at += Length(a[i++]);
                else endOfB += Length(b[j++]);
            }

            if (!same) places.Add(Encoding.UTF8.GetString(bytes, start, at - start));
        }

        return places;

        int Length(int id) => ours.Piece(id) is ['<', '0', 'x', _, _, '>'] ? 1 : Encoding.UTF8.GetByteCount(ours.Piece(id));
    }

    private static IEnumerable<string> Texts()
    {
        for (var patient = 0; patient < 150; patient++)
        {
            var picture = PhantomPicture.Sample(seed: 7, patient, study: 0, width: 320, height: 384);
            var report = ReportWriter.Report(picture);
            foreach (var text in report.Split('\n').Append(report).Append(ReportWriter.Caption(picture))) yield return text;
        }

        foreach (var entry in Fixtures.Json("tokenizer", "tokens.json").AsArray()) yield return entry!["text"]!.GetValue<string>();
        foreach (var text in Strings(Fixtures.Json("grounding", "answers.json"))) yield return text;
        foreach (var text in Strings(Fixtures.Json("grounding", "MS_CXR_Local_Alignment.json"))) yield return text;

        string[] parts =
        [
            "effusion", "the", "left", "No", "Dr.", "mild", "consolidation", "x-ray", "RUL", "PICC", "IT'S", "5.3", "12:30", "1/2", "100%",
            "2019-07-04", "(AP)", "[12,34,56,78]", "{<12><34><56><78>}", "<s>", "\t", "\n", "  ", "   ",
            "é", "±", "≥2", "\u3000", "肺炎", "😀", "_", "__", "___", "--", "---", "...", "....", "==", "=====", "$",
        ];
        var random = new Random(15);
        for (var i = 0; i < 5_000; i++)
            yield return string.Concat(random.GetItems(parts, random.Next(1, 15)).Select(part => part + (random.Next(4) > 0 ? " " : "")));
    }

    private static IEnumerable<string> Strings(JsonNode? node) => node switch
    {
        JsonObject properties => properties.SelectMany(property => Strings(property.Value)),
        JsonArray items => items.SelectMany(Strings),
        JsonValue value when value.TryGetValue<string>(out var text) => [text],
        _ => [],
    };
}
