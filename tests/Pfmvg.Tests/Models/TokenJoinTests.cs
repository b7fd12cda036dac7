using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Models.Vision;
using Pfmvg.Tests.Support;
using Pfmvg.Training;
using Pfmvg.Weights.Torch;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models;

/// <summary>Which patches become a visual token, and that no file is read with another join than it was written with.</summary>
public sealed class TokenJoinTests : IDisposable
{
    private static readonly GroundingConfig Row = new(
        new EvaConfig(56, 14, 8, 1, 2, 16), 4, new LlamaConfig(24, 16, 1, 2, 20), new LoraConfig(2, 4, 0, ["q_proj", "v_proj"]));

    private static readonly GroundingConfig Square = Row with { Join = TokenJoin.Square };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory, InlineData(4, 2), InlineData(16, 4), InlineData(1, 1)]
    public void A_squares_token_holds_its_patches_row_by_row_and_every_patch_once(int count, int side)
    {
        using var scope = NewDisposeScope();
        var patches = arange(2 * 16 * 8, ScalarType.Float32).reshape(2, 16, 8);
        var joined = TokenConcat.Join(patches, Square with { Concat = count });
        Assert.Equal([2L, 16 / count, 8 * count], joined.shape);
        for (var picture = 0; picture < 2; picture++)
            for (var row = 0; row < 4; row++)
                for (var column = 0; column < 4; column++)
                {
                    var (token, part) = (row / side * (4 / side) + column / side, row % side * side + column % side);
                    Assert.Equal(patches[picture, 4 * row + column].data<float>().ToArray(),
                        joined[picture, token].narrow(0, 8 * part, 8).data<float>().ToArray());
                }
    }

    [Fact]
    public void Joined_in_a_row_the_tokens_are_the_patches_as_they_come()
    {
        using var scope = NewDisposeScope();
        var patches = rand(2, 16, 8);
        Assert.True(TokenConcat.Join(patches, Row).equal(patches.reshape(2, 4, 32)).all().item<bool>());
        Assert.Throws<ArgumentException>(() => TokenConcat.Join(patches, Square with { Concat = 8 }));
        var odd = Square with { Vision = Row.Vision with { ImageSize = 42 } };
        Assert.Throws<ArgumentException>(() => TokenConcat.Join(rand(1, 9, 8), odd));
    }

    [Theory]
    [InlineData("{ join: square, concat: 8 }", "32 x 32 patches are not made of squares of 8")]
    [InlineData("{ join: square, image_size: 126 }", "9 x 9 patches are not made of squares of 4")]
    [InlineData("{ join: square, concat: 9 }", "32 x 32 patches are not made of squares of 9")]
    public void Squares_that_do_not_fill_the_picture_are_one_error(string model, string expected)
    {
        var message = Assert.Throws<InputException>(() => ConfigurationFile.Parse($"model: {model}", "a.yaml", [])).Message;
        Assert.Contains("model.join", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.Single(message.TrimEnd().Split('\n'), line => line.Contains("patches", StringComparison.Ordinal));
    }

    [Fact]
    public void A_model_that_joins_nothing_is_the_same_with_both_joins()
    {
        var settings = ConfigurationFile.Parse("model: { concat: 1, join: square }", "a.yaml", []).Model;
        Assert.Equal(TokenJoin.Row, ConfiguredModel.Sizes(settings).Join);
        Assert.Equal(32 * 32, ConfiguredModel.Sizes(settings).VisualTokens);
        Assert.Equal(TokenJoin.Square, ConfiguredModel.Sizes(settings with { Concat = 4 }).Join);
    }

    [Fact]
    public void Which_patches_are_joined_costs_nothing()
    {
        var (row, square) = (new ModelFlops(Row), new ModelFlops(Square));
        Assert.Equal((Row.VisualTokens, Row.FeatureWidth, Row.TrainedParameters),
            (Square.VisualTokens, Square.FeatureWidth, Square.TrainedParameters));
        Assert.Equal((row.Vision(2), row.Projector(2), row.TrainingStep(2, 50, 20)),
            (square.Vision(2), square.Projector(2), square.TrainingStep(2, 50, 20)));
    }

    [Fact]
    public void Features_are_kept_apart_by_their_join_alone()
    {
        using var row = ModelBuilder.Random(Row, ScalarType.Float32, CPU, 1);
        using var square = ModelBuilder.Random(Square, ScalarType.Float32, CPU, 1);
        using var unjoined = ModelBuilder.Random(Row with { Concat = 1 }, ScalarType.Float32, CPU, 1);
        Assert.NotEqual(row.VisionHash(), square.VisionHash());
        Assert.Equal(row.VisionHash(), unjoined.VisionHash()); // the same values in the same order
        using var scope = NewDisposeScope();
        var images = rand(1, 3, 56, 56);
        Assert.False(row.EncodeImages(images).equal(square.EncodeImages(images)).all().item<bool>());
        Assert.True(row.EncodeImages(images).flatten().equal(unjoined.EncodeImages(images).flatten()).all().item<bool>());
    }

    [Fact]
    public void A_checkpoint_of_another_join_is_refused_in_one_sentence_and_one_of_its_own_is_read()
    {
        using var scope = NewDisposeScope();
        using var row = ModelBuilder.Random(Row, ScalarType.Float32, CPU, 1);
        using var square = ModelBuilder.Random(Square, ScalarType.Float32, CPU, 2);
        foreach (var (own, other, word) in new[] { (row, square, "row"), (square, row, "square") })
        {
            var path = Checkpoint.PathOf(_folder.Path, own == row ? 1 : 2);
            using var optimizer = new AdamW(own.Trainables(), 0.9, 0.999, 0);
            Checkpoint.Save(path, own, optimizer, new Position(0, 1));
            Assert.Empty(ModelBuilder.LoadTrainables(own, path, Checkpoint.ToModel).Report.Unexpected);
            Assert.Equal(new Position(0, 1), new Checkpoint(path, 1).Restore(own, optimizer));
            Assert.Contains($"{path}: its projector was trained with model.join {word} where model.join is ",
                Assert.Throws<InputException>(() => ModelBuilder.LoadTrainables(other, path, Checkpoint.ToModel)).Message,
                StringComparison.Ordinal);
            Assert.Contains("'token_join'",
                Assert.Throws<InputException>(() => new Checkpoint(path, 1).Restore(other, optimizer)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_start_file_says_its_join_and_a_silent_one_is_read_by_a_square_model_with_a_warning()
    {
        using var scope = NewDisposeScope();
        using var row = ModelBuilder.Random(Row, ScalarType.Float32, CPU, 1);
        using var square = ModelBuilder.Random(Square, ScalarType.Float32, CPU, 2);
        var paths = new WeightPaths(_folder.In("v.pth"), _folder.In("l"), _folder.In("square.pth"));
        BaseWeights.Write(square, paths, ScalarType.Float16);
        Assert.Empty(LoadedFile.NotesOf([ModelBuilder.LoadStart(square, paths.Start!)]));
        Assert.Contains("trained with model.join square where model.join is row",
            Assert.Throws<InputException>(() => ModelBuilder.LoadStart(row, paths.Start!)).Message, StringComparison.Ordinal);

        BaseWeights.Write(row, paths with { Start = _folder.In("row.pth") }, ScalarType.Float16);
        using (var written = TorchPickle.Open(_folder.In("row.pth"))) Assert.DoesNotContain("token_join", written.Metadata.Keys);
        Assert.Empty(LoadedFile.NotesOf([ModelBuilder.LoadStart(row, _folder.In("row.pth"))]));
        Assert.Contains("does not say which patches its projector joins",
            Assert.Single(LoadedFile.NotesOf([ModelBuilder.LoadStart(square, _folder.In("row.pth"))])), StringComparison.Ordinal);
    }
}
