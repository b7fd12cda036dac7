using System.CommandLine;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Runs;

namespace Pfmvg.Cli.Options;

/// <summary>Which model is asked, and what only the others than ours can be asked for.</summary>
internal sealed class RivalOptions
{
    private readonly Option<string> _model = new Option<string>("--model")
    {
        Description = "Who is asked: pfmvg, our own model; cnn, the plain network (`pfmvg train --model cnn`); or biovil or "
            + "biovil-t, from the files in --from.",
        DefaultValueFactory = _ => ModelNames.Ours,
    }.AcceptOnlyFromAmong(ModelNames.Ours, ModelNames.Cnn, ModelNames.BioVil, ModelNames.BioVilT);

    private readonly Option<double?> _threshold = new Option<double?>("--threshold")
    {
        Description = "With --model biovil or biovil-t: also give a box, that of the largest connected region above this similarity. "
            + "This rule is ours, not the authors'.",
        HelpName = "N",
    }.Between(-1, 1);

    private readonly Option<string> _interpolation = new Option<string>("--interpolation")
    {
        Description = "With --model biovil or biovil-t: how the map of the grid becomes one of the picture's size.",
        DefaultValueFactory = _ => MapPlace.Nearest,
    }.AcceptOnlyFromAmong(MapPlace.Nearest, MapPlace.Bilinear);

    private readonly Option<bool> _dilated = new("--dilated")
    {
        Description = "With --model biovil: the dilated form, whose grid has twice the size.",
    };

    /// <summary>Writes the map.</summary>
    public Option<string?> HeatMap { get; } = new Option<string?>("--heatmap")
    {
        Description = "With --model biovil or biovil-t: write the map into this .npy (float32, the picture's size, NaN outside of the "
            + "crop); with --table, one per row into this folder.",
        HelpName = "PATH",
    }.Writes(PathKind.Either);

    public RivalOptions AddTo(Command command)
    {
        foreach (var option in (Option[])[_model, HeatMap, _threshold, _interpolation, _dilated]) command.Add(option);
        return this;
    }

    /// <summary>Adds only what says how maps are made, to a command that scores them.</summary>
    public RivalOptions AddMapsTo(Command command)
    {
        foreach (var option in Maps) command.Add(option);
        return this;
    }

    /// <summary>How maps are made.</summary>
    public Option[] Maps => [_interpolation, _dilated];

    /// <summary>How maps are made, as it was given.</summary>
    public IEnumerable<string> Given(ParseResult parsed) =>
    [
        .. parsed.IsGiven(_interpolation) ? (string[])["--interpolation", parsed.GetValue(_interpolation)!] : [],
        .. parsed.GetValue(_dilated) ? (string[])["--dilated"] : [],
    ];

    /// <summary>Whether the plain network is asked.</summary>
    public bool IsCnn(ParseResult parsed) => parsed.GetValue(_model) == ModelNames.Cnn;

    /// <summary>How a rival is to be asked; null when our own model or the plain network is.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="from">Where the rival's files are.</param>
    /// <exception cref="InputException">An option cannot take effect, or lacks something.</exception>
    public RivalRequest? Read(ParseResult parsed, string? from)
    {
        var name = parsed.GetValue(_model)!;
        if (name is ModelNames.Ours or ModelNames.Cnn)
        {
            parsed.Refuse("belongs to --model biovil and biovil-t, whose answers are maps; add one of these, or leave it out",
                HeatMap, _threshold, _interpolation, _dilated);
            return null;
        }

        return Of(parsed, name, from) with { Threshold = parsed.GetValue(_threshold) };
    }

    /// <summary>How a rival is to be asked for its maps.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="name">The rival.</param>
    /// <param name="from">Where its files are.</param>
    /// <exception cref="InputException">Nothing says where, or the rival has no such form.</exception>
    public RivalRequest Of(ParseResult parsed, string name, string? from) => new(
        from ?? throw new InputException($"--model {name} needs --from DIR, the folder with the image model and the text folder; "
            + "nothing is fetched."),
        ModelNames.RivalOf(name)!.Value, parsed.GetValue(_dilated), parsed.GetValue(_interpolation) == MapPlace.Bilinear);
}
