using System.Text.Json.Nodes;
using Pfmvg.Data;
using Pfmvg.Runs;
using Pfmvg.Serving;

namespace Pfmvg.Tests.Cli.Serving;

/// <summary>Pictures to try the model on: phantoms of its own test split, and nothing else.</summary>
public sealed class ExampleApiTests(ServedWorkspace workspace) : IClassFixture<ServedWorkspace>
{
    [Fact]
    public async Task Examples_are_pictures_of_the_test_split_without_the_names_of_files_or_patients()
    {
        await using var server = await TestServer.Start(workspace.Model);
        var listed = await server.Get("/v1/examples");
        Assert.True((bool)listed.Json["synthetic"]!);
        var data = GroundingSetup.OpenData(workspace.Configuration);
        var samples = data.Read(SampleTask.Refer, Split.Test);
        foreach (var example in listed.Json["examples"]!.AsArray())
        {
            var picture = await server.Get($"/v1/examples/picture?number={example!["number"]}");
            var same = samples.Where(sample => File.ReadAllBytes(data.ImagePath(sample)).SequenceEqual(picture.Body)).ToList();
            Assert.Equal(same.Select(sample => sample.Text).Distinct(), example["phrases"]!.AsArray().Select(phrase => (string)phrase!));
            Assert.Equal([same[0].Width, same[0].Height], example["image_size"]!.AsArray().Select(side => (int)side!));
        }

        Assert.NotEmpty(listed.Json["examples"]!.AsArray());
        foreach (var sample in samples)
            foreach (var secret in (string?[])[sample.Patient, sample.Study, sample.Id, Path.GetFileName(sample.Image)])
                Assert.DoesNotContain(secret!, listed.Text, StringComparison.Ordinal);
        foreach (var number in (string[])["0", "99", "-1", "1/../2", "", "x"])
        {
            var reply = await server.Get($"/v1/examples/picture?number={number}");
            Assert.Equal(404, reply.Status);
            Assert.StartsWith("number: name an example from 1 to ", reply.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_study_that_is_no_phantom_gives_no_examples()
    {
        var real = CopyAsReal();
        try
        {
            using var model = ServedModel.Open(
                workspace.Settings($"data.folder={real}"), fromBase: true, cancel: TestContext.Current.CancellationToken);
            await using var server = await TestServer.Start(model);
            var listed = await server.Get("/v1/examples");
            Assert.Empty(listed.Json["examples"]!.AsArray());
            Assert.False((bool)listed.Json["synthetic"]!);
            Assert.Equal(404, (await server.Get("/v1/examples/picture?number=1")).Status);
        }
        finally
        {
            Directory.Delete(real, recursive: true);
        }
    }

    /// <summary>The same manifests, said to be of somebody's own pictures.</summary>
    private string CopyAsReal()
    {
        var real = Directory.CreateDirectory(workspace.Folder + "-real").FullName;
        foreach (var file in Directory.GetFiles(Path.Combine(workspace.Folder, "data", "prepared")))
            File.WriteAllText(Path.Combine(real, Path.GetFileName(file)),
                File.ReadAllText(file).Replace(",\"synthetic\":true", "", StringComparison.Ordinal));
        var path = Path.Combine(real, "prepared.json");
        var description = JsonNode.Parse(File.ReadAllText(path))!;
        description["synthetic"] = new JsonArray();
        File.WriteAllText(path, description.ToJsonString());
        return real;
    }
}
