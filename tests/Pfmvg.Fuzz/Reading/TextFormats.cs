using System.Text;
using Pfmvg.Configuration;
using Pfmvg.Data.Sets;
using Pfmvg.Fuzz.Mutating;
using Pfmvg.Text;

namespace Pfmvg.Fuzz.Reading;

/// <summary>Tokenizers, configurations, and what models and reports say.</summary>
internal static class TextFormats
{
    private const string Sentence = "[refer] give me the location of <p>a small left apical pneumothorax</p> \u00e9 \U0001f600";

    public static Format Tokenizers(string folder)
    {
        var way = new Way(Path.Combine(folder, "tokenizer.model"), path =>
        {
            var tokenizer = LlamaTokenizer.Load(path);
            tokenizer.Decode(tokenizer.Encode(Sentence));
        });
        return new([new Seed(File.ReadAllBytes(Path.Combine(Formats.Tests, "Fixtures", "tokenizer", "tokenizer.model")), way)],
            Protobuf.Fields);
    }

    public static Format Vocabularies(string folder)
    {
        var way = new Way(Path.Combine(folder, "vocab.txt"), path => WordPiece.Load(path).Encode(Sentence));
        return new([.. Formats.Small("Fixtures/rivals", "vocab.txt").Select(path => new Seed(File.ReadAllBytes(path), way))], Words.Lines,
            Words.Tokens);
    }

    public static Format Yaml(string folder)
    {
        var way = new Way(Path.Combine(folder, "c.yaml"), path =>
        {
            var configuration = ConfigurationFile.Load(path, []);
            ConfigurationFile.Parse(ConfigurationFile.ToYaml(configuration), "itself", []);
        });
        var configurations = Directory.GetFiles(Path.Combine(Formats.Tests, "..", "..", "configs"), "*.yaml").Order(StringComparer.Ordinal);
        var usual = Encoding.UTF8.GetBytes(ConfigurationFile.ToYaml(new PfmvgConfiguration()));
        return new([.. configurations.Select(File.ReadAllBytes).Append(usual)
            .Select(bytes => new Seed(bytes, way))], Words.YamlTokens, Words.YamlTokens, Words.Lines);
    }

    /// <summary>Answers in every notation, captions and reports: texts that no reader refuses.</summary>
    public static Format Answers(string folder)
    {
        var way = new Way(Path.Combine(folder, "answer.txt"), path =>
        {
            var text = Encoding.UTF8.GetString(File.ReadAllBytes(path));
            BoxCodec.Parse(text);
            BoxCodec.ParseAtStart(text);
            BoxCodec.Clean(text);
            foreach (var notation in AnswerNotation.All)
            {
                notation.Boxes(text);
                notation.FlawOf(text);
            }

            CaptionNormalizer.Normalize(text);
            SideWords.Find(text);
            ReportSections.Extract(text);
        });
        string[] texts =
        [
            "{<46><12><77><39>}<delim>{<1><2><3><100>}", """[{"bbox_2d": [10, 20, 30, 40], "label": "x"}]""",
            """{"box_2d": [1, 2, 3, 4]}""",
            "<box>[[1, 2, 3, 4]]</box>", "<|box_start|>(1,2),(3,4)<|box_end|>", "<x1><y2><x3><y4>", "<loc_1><loc_2><loc_3><loc_4>",
            "<loc0001><loc0002><loc0003><loc0004>", "[[001,002,003,004]]", "[0.1, 0.2, 0.3, 0.4; 0.5, 0.6, 0.7, 0.8]", "1 2 3 4",
            "there is no such finding",
            "                                 FINAL REPORT\n EXAMINATION:  CHEST\n\n"
                + " FINDINGS:  Left effusion, no pneumothorax.\n\n IMPRESSION:  1. Edema.\n",
        ];
        return new([.. texts.Select(text => new Seed(Encoding.UTF8.GetBytes(text), way))], Words.Tokens, Words.Tokens, Words.Lines);
    }
}
