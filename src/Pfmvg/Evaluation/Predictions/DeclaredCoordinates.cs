using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>
/// What a predictions file and the user say that the numbers of its boxes mean. They must say the same, unless the boxes themselves
/// show that the file is wrong and the user is right.
/// </summary>
internal sealed class DeclaredCoordinates(ReadOptions options)
{
    private readonly List<Coordinates?> _ofLines = [];
    private Coordinates? _ofHeader;
    private (Coordinates File, Coordinates User, InputException Fault)? _contradiction;

    /// <summary>What holds for each line so far; null where nobody says anything.</summary>
    public IReadOnlyList<Coordinates?> OfLines => _ofLines;

    /// <summary>Whether a line holds no answer but declares the coordinates of those that follow.</summary>
    public bool IsHeader(JsonInput line)
    {
        if (line.Find("coordinates") is null
            || line.Find("id", "ann_id", "annotation_id", "image", "phrase", "label_text") is not null) return false;
        _ofHeader = OfFile(line);
        _ = Chosen(line, _ofHeader);
        return true;
    }

    /// <summary>What the numbers of a line's boxes mean; null where nobody says it.</summary>
    /// <exception cref="InputException">A line contradicts the first one, or names no kind of coordinates.</exception>
    public Coordinates? Of(JsonInput line)
    {
        var ofLine = OfFile(line);
        if (_ofHeader is not null && ofLine is not null && _ofHeader != ofLine)
            throw line.Wrong($"says its boxes are {ofLine}, but {_ofHeader} was declared before; they must agree");
        var chosen = Chosen(line, ofLine ?? _ofHeader);
        _ofLines.Add(chosen);
        return chosen;
    }

    /// <summary>Refuses a file that says something else than the user, unless its boxes take the user's side.</summary>
    /// <exception cref="InputException">They contradict each other.</exception>
    public void ThrowIfContradicted(CoordinateCheck check)
    {
        if (_contradiction is not { } found) return;
        if (options.TrustCoordinates || check.Fits(found.File) || !check.Fits(found.User)) throw found.Fault;
        options.Note($"the file says that its boxes are {found.File}, which they do not look like; they are read as {found.User}, as "
            + "declared.");
    }

    private Coordinates? Chosen(JsonInput line, Coordinates? ofFile)
    {
        var frame = options.Frame ?? (options.Coordinates is { Range: not null } ? null : ofFile?.Frame);
        var chosen = (options.Coordinates ?? (ofFile is null ? null : ofFile with { Frame = null }))?.In(frame);
        // A frame that only the user names adds to what the file says.
        if (ofFile is not null && (ofFile.Frame is null ? chosen! with { Frame = null } : chosen) != ofFile)
            _contradiction ??= (ofFile, chosen!,
                line.Wrong($"says its boxes are {ofFile}, but {chosen} was declared before; they must agree"));
        return chosen;
    }

    private static Coordinates? OfFile(JsonInput line)
    {
        if (line.Text("coordinates") is not { } text) return null;
        try
        {
            return Coordinates.Parse(text).In(line.Text("frame") is { } frame ? PictureFrame.Parse(frame) : null);
        }
        catch (InputException wrong)
        {
            throw new InputException($"{line.Place}: {wrong.Message}", wrong);
        }
    }
}
