using Pfmvg.Data;
using Pfmvg.Geometry;
using Pfmvg.Phantoms;
using Pfmvg.Phantoms.Drawing;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Data;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Phantoms;

/// <summary>The regions of a phantom's anatomy, from the drawing to the phrases of an anatomy stage.</summary>
public sealed class AnatomyTests
{
    private static readonly string[] Sides = ["right", "left"];

    private static IEnumerable<PhantomPicture> Pictures(int count) =>
        Enumerable.Range(0, count).Select(patient => PhantomPicture.Sample(11, patient, 0, 200, 240));

    [Fact]
    public void Regions_lie_in_the_picture_and_are_where_their_names_say()
    {
        var renderer = new Renderer();
        foreach (var picture in Pictures(40))
        {
            var image = renderer.Render(picture, anatomy: true);
            var regions = image.Anatomy.ToDictionary(region => region.Name, region => region.Box);
            Assert.Equal(17, regions.Count);
            Assert.All(regions.Values, box => Assert.True(box is { Left: >= 0, Top: >= 0, Width: > 2, Height: > 2 }
                && box.Right <= image.Width && box.Bottom <= image.Height, $"{box}"));
            foreach (var side in Sides)
            {
                var lung = regions[$"{side} lung"];
                foreach (var zone in (string[])["apical zone", "upper lung zone", "mid lung zone", "lower lung zone", "costophrenic angle"])
                    Assert.Equal(regions[$"{side} {zone}"], regions[$"{side} {zone}"].Intersect(lung));
                Assert.True(Middle(regions[$"{side} upper lung zone"]).Y < Middle(regions[$"{side} mid lung zone"]).Y
                    && Middle(regions[$"{side} mid lung zone"]).Y < Middle(regions[$"{side} lower lung zone"]).Y);
                Assert.Equal(lung.Top, regions[$"{side} apical zone"].Top);
            }

            Assert.True(Middle(regions["right lung"]).X < Middle(regions["left lung"]).X); // the patient's right is the picture's left
            Assert.True(Middle(regions["trachea"]).Y < Middle(regions["cardiac silhouette"]).Y);
        }
    }

    [Fact]
    public void Findings_lie_in_the_lung_that_they_are_in_and_a_large_heart_is_larger()
    {
        var renderer = new Renderer();
        var hearts = 0;
        foreach (var picture in Pictures(60))
        {
            var image = renderer.Render(picture, anatomy: true);
            Box Region(PhantomImage of, string name) => of.Anatomy.Single(region => region.Name == name).Box;
            foreach (var (finding, boxes) in picture.Findings.Zip(image.Boxes))
            {
                if (finding.Class == FindingClass.Cardiomegaly && boxes.Count > 0)
                {
                    var plain = renderer.Render(picture with { Findings = [] }, anatomy: true);
                    Assert.True(Region(image, "cardiac silhouette").Width > 1.1 * Region(plain, "cardiac silhouette").Width);
                    hearts++;
                }
                else if (finding.Side is FindingSide.Left or FindingSide.Right && boxes is [var box])
                {
                    var lung = Region(image, finding.Side == FindingSide.Left ? "left lung" : "right lung");
                    Assert.True(box.Intersect(lung).Area > 0.7 * box.Area, $"{finding}: {box} and {lung}");
                }
            }
        }

        Assert.True(hearts > 3);
    }

    [Fact]
    public void To_measure_it_changes_no_pixel_and_a_picture_from_the_side_has_none()
    {
        var renderer = new Renderer();
        foreach (var picture in Pictures(5))
        {
            var (plain, measured) = (renderer.Render(picture), renderer.Render(picture, anatomy: true));
            Assert.Equal(plain.Gray, measured.Gray);
            Assert.Equal(plain.Boxes, measured.Boxes);
            Assert.Empty(plain.Anatomy);
            Assert.Empty(renderer.Render(picture with { View = PhantomView.Lateral, Findings = [] }, anatomy: true).Anatomy);
        }
    }

    [Fact]
    public void A_study_with_anatomy_has_the_same_phrases_and_teaches_regions_of_no_patient_that_is_tested()
    {
        using var own = new TrainingWorkspace(30, "phantom.anatomy=true");
        using var plain = new TrainingWorkspace(30);
        var (all, without) = (GroundingSetup.OpenData(own.Configuration("a")), GroundingSetup.OpenData(plain.Configuration("a")));
        var phrases = GroundingSetup.OpenData(own.Configuration("a", "data.phrase_sets=[ms_cxr]"));
        var regions = GroundingSetup.OpenData(own.Configuration("a", "data.phrase_sets=[chest-imagenome]"));
        foreach (var split in Enum.GetValues<Split>())
        {
            Assert.Equal(without.Read(SampleTask.Refer, split).Select(Line), phrases.Read(SampleTask.Refer, split).Select(Line));
            Assert.Equal(all.Read(SampleTask.Refer, split).Select(sample => sample.Id).Order(StringComparer.Ordinal),
                phrases.Read(SampleTask.Refer, split).Concat(regions.Read(SampleTask.Refer, split)).Select(sample => sample.Id)
                    .Order(StringComparer.Ordinal));
            Assert.Equal(all.Read(SampleTask.Caption, split).Count, regions.Read(SampleTask.Caption, split).Count);
        }

        var taught = regions.Read(SampleTask.Refer, Split.Train);
        Assert.Contains(taught, sample => sample is { Text: "left lower lung zone", Source: "chest-imagenome", Synthetic: true });
        var tested = phrases.Read(SampleTask.Refer, Split.Test).Concat(phrases.Read(SampleTask.Refer, Split.Validate));
        Assert.Empty(taught.Select(sample => sample.Patient).Intersect(tested.Select(sample => sample.Patient)));
        Assert.EndsWith("; phrases of chest-imagenome (data.phrase_sets)", regions.Title, StringComparison.Ordinal);
        Assert.Contains("data.phrase_sets names the data set 'padchest-gr', which is not among those that are prepared: ms-cxr, "
            + "chest-imagenome, roco.",
            Assert.Throws<InputException>(() => GroundingSetup.OpenData(own.Configuration("a", "data.phrase_sets=[padchest-gr]"))).Message,
            StringComparison.Ordinal);
        Assert.Contains("and phantom.anatomy=false; set them back", Assert.Throws<InputException>(() => PhantomWorkspace.Prepare(
            own.Configuration("a", "phantom.anatomy=false"), _ => { }, TestContext.Current.CancellationToken)).Message,
            StringComparison.Ordinal);

        static string Line(Sample sample) => $"{sample.Id} {sample.Text} {string.Join(' ', sample.Boxes)}";
    }

    [Fact]
    public void A_stage_of_regions_is_the_start_of_the_next_and_its_evaluation_asks_the_sets_that_are_chosen()
    {
        using var own = new TrainingWorkspace(12, "phantom.anatomy=true", "stage2.epochs=1", "stage2.validate=false");
        string[] anatomy = ["data.phrase_sets=[chest-imagenome]"], phrases = ["data.phrase_sets=[ms-cxr]"];
        Train("anatomy", anatomy, null);
        var before = own.Run("anatomy", 2);
        Train("after", phrases, before.Path);
        var asked = EvaluationRun.Execute(new RecordedSession(own.Configuration("after", phrases)).Session,
            new EvaluationOptions { Split = Split.Test });
        Assert.All(asked.Predictions, answer => Assert.StartsWith("ms-cxr/", answer.Id, StringComparison.Ordinal));
        var refused = Assert.Throws<InputException>(() => EvaluationRun.Execute(
            new RecordedSession(own.Configuration("after", "data.phrase_sets=[roco]")).Session,
            new EvaluationOptions { Split = Split.Test, Existing = ExistingRun.Overwrite }));
        Assert.Contains("has no refer.test.jsonl of roco (data.phrase_sets)", refused.Message, StringComparison.Ordinal);

        void Train(string name, string[] changes, string? from) => TrainingRun.Execute(
            new RecordedSession(own.Configuration(name, changes)).Session,
            new TrainingOptions { Stage = 2, From = from, FromBase = from is null });
    }

    [Theory]
    [InlineData(PhantomSets.Anatomy, "is that of MS-CXR's pictures; choose ms-cxr, too")]
    [InlineData(PhantomSets.Anatomy | PhantomSets.ImaGenome | PhantomSets.MsCxr, "are two contents of one folder; choose one of them")]
    public void Sets_that_do_not_go_together_are_one_sentence(PhantomSets sets, string said)
    {
        using var tree = new StudyTree();
        Assert.Contains(said, Assert.Throws<InputException>(() => PhantomStudy.Write(tree["study"], new PhantomOptions { Sets = sets },
            cancellationToken: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
    }

    private static (double X, double Y) Middle(Box box) => ((box.Left + box.Right) / 2, (box.Top + box.Bottom) / 2);
}
