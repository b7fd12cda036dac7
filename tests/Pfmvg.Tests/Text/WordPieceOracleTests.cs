using Microsoft.ML.Tokenizers;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Text;

/// <summary>
/// Our WordPiece beside Microsoft.ML.Tokenizers, but for accents (without ICU it strips none) and ½ and the
/// tab (it drops them, the original does not); the golden texts have all of these.
/// </summary>
public sealed class WordPieceOracleTests
{
    [Fact]
    public void Thousands_of_texts_have_the_same_ids()
    {
        var path = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Fixtures", "rivals", "biovil", "weights", "biovil",
            "BiomedVLP-CXR-BERT-specialized", "vocab.txt");
        var ours = WordPiece.Load(path);
        var oracle = BertTokenizer.Create(path, new BertOptions());
        string[] parts =
        [
            "effusion", "Left", "opacity", "bibasilar", "retrocardiac", "5.3-cm", "(LUL)", "x-ray", "肺炎",
            "pneumonia's", "\u00a0", "...", ";", ",", "[", "]", "##", "unaffable", "cardiomegaly", "100%", "left--right",
        ];
        var random = new Random(26);
        for (var i = 0; i < 3_000; i++)
        {
            var text = string.Concat(random.GetItems(parts, random.Next(1, 12)).Select(part => part + (random.Next(3) > 0 ? " " : "")));
            Assert.Equal(string.Join(" ", oracle.EncodeToIds(text)), string.Join(" ", ours.Encode(text)));
        }
    }
}
