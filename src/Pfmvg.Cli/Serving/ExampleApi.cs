using System.Globalization;
using Microsoft.AspNetCore.Http;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Runs;

namespace Pfmvg.Cli.Serving;

/// <summary>
/// `GET /v1/examples`: pictures of the run's own test split to try the model on, where they are phantoms; nothing of any other data set
/// leaves the disk. Numbers stand for them, so no name of a file or patient is told.
/// </summary>
internal sealed class ExampleApi(PfmvgConfiguration configuration)
{
    private const int Most = 8;

    private sealed record Example(string Path, int Width, int Height, bool Dicom, string Class, IReadOnlyList<string> Phrases);

    // Not before somebody asks: the model answers without its study, too.
    private readonly Lazy<(bool AreSynthetic, IReadOnlyList<Example> List)> _study = new(() => Open(configuration));

    /// <summary>What there is: a number, a size, a finding and the phrases of each example.</summary>
    public Task List(HttpContext context) => Server.Send(context, 200, ApiJson.Bytes(json =>
    {
        json.WriteBoolean("synthetic", _study.Value.AreSynthetic);
        json.WriteStartArray("examples");
        foreach (var (i, example) in _study.Value.List.Index())
        {
            json.WriteStartObject();
            json.WriteNumber("number", i + 1);
            ApiJson.WriteSize(json, example.Width, example.Height);
            json.WriteString("class", example.Class);
            json.WriteStartArray("phrases");
            foreach (var phrase in example.Phrases) json.WriteStringValue(phrase);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }));

    /// <summary>The file of the example `?number=N`, as it lies in the study.</summary>
    public async Task Picture(HttpContext context)
    {
        var list = _study.Value.List;
        if (!int.TryParse(context.Request.Query["number"], NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            || number < 1 || number > list.Count)
            throw new ApiError(404, list.Count == 0 ? "number: this server has no examples."
                : $"number: name an example from 1 to {list.Count}.", "number", "not_found");
        byte[] file;
        try
        {
            file = await File.ReadAllBytesAsync(list[number - 1].Path, context.RequestAborted);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new ApiError(404, $"number: the picture of example {number} is no longer in its study.", "number", "not_found");
        }

        await Server.Send(context, 200, file, list[number - 1].Dicom ? "application/dicom"
            : file is [0x89, ..] ? "image/png" : "image/jpeg");
    }

    /// <summary>One picture for each finding, those with fewest phrases first: they are understood at a glance.</summary>
    private static (bool, IReadOnlyList<Example>) Open(PfmvgConfiguration configuration)
    {
        try
        {
            if (configuration.Phantom is null) return (false, []);
            var data = GroundingSetup.OpenData(configuration);
            var pictures = data.Read(SampleTask.Refer, Split.Test).Where(sample => sample.Synthetic).GroupBy(sample => sample.Image)
                .Select(group => group.ToList()).OrderBy(samples => samples.Count).ToList();
            var chosen = pictures.DistinctBy(samples => samples[0].Class).Take(Most).ToList();
            return (data.IsSynthetic, [.. chosen.Select(samples => new Example(data.ImagePath(samples[0]), samples[0].Width,
                samples[0].Height, samples[0].Dicom, samples[0].Class ?? "", [.. samples.Select(sample => sample.Text).Distinct()]))]);
        }
        catch (InputException)
        {
            return (false, []); // the study was moved away or never drawn: then there are no examples
        }
    }
}
