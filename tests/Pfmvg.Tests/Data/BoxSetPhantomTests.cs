using System.Text.Json.Nodes;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Phantoms;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Tests.Data;

/// <summary>The sets of boxes beside MS-CXR, from a phantom in their layout to manifests.</summary>
public sealed class BoxSetPhantomTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    [Theory]
    [InlineData(PhantomSets.PadChestGr, "padchest-gr")]
    [InlineData(PhantomSets.VinDr, "vindr-cxr")]
    [InlineData(PhantomSets.NihBoxes, "nih-cxr14")]
    [InlineData(PhantomSets.ImaGenome, "chest-imagenome")]
    public void A_phantom_is_found_checked_and_prepared_with_its_boxes(PhantomSets set, string source)
    {
        var folder = _tree["study"];
        PhantomStudy.Write(folder, new PhantomOptions { Seed = 3, Patients = 20, ImageWidth = 96, ImageHeight = 112, Sets = set },
            cancellationToken: TestContext.Current.CancellationToken);
        var sources = DataSources.FindIn(folder);
        var check = DataCheck.Run(new CheckOptions { Sources = sources }, cancel: TestContext.Current.CancellationToken);
        Assert.Equal([source], check.Sets.Select(found => found.Source));
        Assert.Equal(FindingLevel.Note, check.Worst);

        var output = _tree["prepared"];
        var report = StudyTree.Prepare(new PrepareOptions { Output = output, Sources = sources });
        var data = PreparedData.Open(output);
        var samples = Enum.GetValues<Split>().ToDictionary(split => split, split => data.Read(SampleTask.Refer, split));
        Assert.Equal(0, report.Sources[source].Missing + report.Sources[source].Bad + report.Sources[source].Unassigned);
        Assert.All(samples.Values.SelectMany(part => part), sample =>
        {
            Assert.Equal(source, sample.Source);
            Assert.True(File.Exists(data.ImagePath(sample)));
        });
        var boxed = check.Sets[0].Counts.Single(count => count.What == "boxes").Count;
        Assert.Equal(boxed, samples.Values.Sum(part => part.Sum(sample => sample.Boxes.Count)));
        Assert.True(samples[Split.Train].Count > samples[Split.Test].Count && samples[Split.Test].Count > 0);
        var patients = samples.Values.SelectMany((part, i) => part.Select(sample => (Who: sample.Patient ?? sample.Image, i))).Distinct();
        Assert.All(patients.GroupBy(patient => patient.Who), patient => Assert.Single(patient));
    }

    [Theory]
    [InlineData(PhantomSets.PadChestGr)]
    [InlineData(PhantomSets.VinDr)]
    [InlineData(PhantomSets.NihBoxes)]
    [InlineData(PhantomSets.ImaGenome)]
    [InlineData(PhantomSets.Own)]
    public void Exactly_the_planted_defects_are_found_and_can_be_left_out(PhantomSets set)
    {
        var folder = _tree["study"];
        PhantomStudy.Write(folder, new PhantomOptions
        {
            Seed = 4,
            Patients = set == PhantomSets.NihBoxes ? 40 : 60, // its pictures are large
            ImageWidth = 64,
            ImageHeight = 80,
            Sets = set,
            Defects = true,
        }, cancellationToken: TestContext.Current.CancellationToken);
        var sources = set == PhantomSets.Own ? new DataSources { Own = _tree["study", "own", "samples.jsonl"], OwnFormat = "jsonl" }
            : DataSources.FindIn(folder);
        var planted = JsonNode.Parse(File.ReadAllText(_tree["study", "planted-defects.json"]))!.AsArray()
            .Select(defect => ((string)defect!["kind"]!, (string)defect["id"]!));
        var found = DataCheck.Run(new CheckOptions { Sources = sources }, cancel: TestContext.Current.CancellationToken).Findings
            .Where(finding => finding.Level != FindingLevel.Note)
            .SelectMany(finding => finding.Cases.Select(one => (finding.Kind, one.Id))).Distinct();
        Assert.Equal(planted.Order(), found.Order());

        // Only in NIH's list is a row a box.
        var boxes = set == PhantomSets.NihBoxes ? MultiBox.PerBox : MultiBox.PerPhrase;
        var options = new PrepareOptions { Output = _tree["prepared"], Sources = sources, MultiBox = boxes };
        Assert.Throws<InputException>(() => StudyTree.Prepare(options));
        var counts = StudyTree.Prepare(options with { Bad = BadSamples.Skip }).Sources.Values.Single();
        Assert.True(counts.Bad > 0 && counts.Missing > 0 && counts.Kept > counts.Bad);
        Assert.Equal(counts.Listed, counts.Kept + counts.Bad + counts.Missing + counts.Duplicate);
    }
}
