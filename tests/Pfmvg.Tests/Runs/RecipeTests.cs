using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

public sealed class RecipeTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly string[] Short =
        ["stage1.epochs=1", "stage2.epochs=2", "stage2.batch_size=8", "stage2.validate=false", "stage1.validate=false",
        "eval.max_new_tokens=24", "eval.constrain=boxes", "phantom.patients=10"];

    private Recipe Recipe(string name, params string[] changes) => new(name, workspace.Configuration("recipes", [.. Short, .. changes]));

    private static IReadOnlyList<IReadOnlyList<EvaluationResult>> Run(
        IReadOnlyList<Recipe> recipes, int[] seeds, List<string> trained, int stopAfter = int.MaxValue, bool overwrite = false)
    {
        using var stop = new CancellationTokenSource();
        var recorded = new RecordedSession(RecipeRun.Run(recipes, 0, seeds[0]), (part, report) =>
        {
            if (report.Entry.Step == 1) trained.Add(part);
            if (trained.Count > stopAfter) stop.Cancel();
        }, stop.Token);
        return RecipeRun.Execute(recorded.Session.Beside, recipes, seeds, new RecipeOptions { Overwrite = overwrite });
    }

    [Fact]
    public void Recipes_that_train_alike_share_the_training_and_an_interrupted_comparison_goes_on_where_it_was()
    {
        Recipe[] recipes = [Recipe("plain"), Recipe("middle", "eval.box_reading=middle", "eval.decode=expected_iou", "eval.draws=3"),
            Recipe("longer", "stage2.epochs=3")];
        var trained = new List<string>();
        Assert.Throws<OperationCanceledException>(() => Run(recipes, [3, 4], trained, stopAfter: 2));
        Assert.Equal(["stage 1", "stage 2", "stage 2"], trained); // of the first seed: shared, shared, and its own
        trained.Clear();
        var results = Run(recipes, [3, 4], trained);
        Assert.DoesNotContain("recipes.middle", string.Join(' ', results.SelectMany(own => own).Select(result => result.Model!.Path)),
            StringComparison.Ordinal);
        Assert.Equal(["stage 1", "stage 2", "stage 2"], trained); // of the second seed; the interrupted one goes on behind its step 1
        Assert.Equal(results[0].Select(result => result.Model!.Path), results[1].Select(result => result.Model!.Path));
        Assert.Equal(4, results.SelectMany(own => own).Select(result => result.Model!.Path).Distinct().Count());
        Assert.Equal(6, results.SelectMany(own => own).Select(result => result.Folder.Path).Distinct().Count());
        Assert.All(results[0], result => Assert.All(result.Predictions, answer => Assert.Null(answer.Agreement)));
        Assert.All(results[1], result => Assert.All(result.Predictions, answer => Assert.NotNull(answer.Agreement)));
        Assert.Contains("expected_iou of 3 draws", RunInfo.Read(results[1][0].Folder.InfoPath).Environment["decoding"],
            StringComparison.Ordinal);

        trained.Clear();
        Run(recipes, [3, 4], trained);
        Assert.Empty(trained);
        Recipe[] changed = [recipes[0], recipes[1], Recipe("longer", "stage2.epochs=4")];
        Assert.Contains("stage2.epochs: 3 -> 4",
            Assert.Throws<InputException>(() => Run(changed, [3], trained)).Message, StringComparison.Ordinal);
        Assert.Empty(trained);
        Run(changed, [3], trained, overwrite: true);
        Assert.Equal(["stage 2"], trained);
    }
}
