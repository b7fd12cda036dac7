namespace Pfmvg.Data.Files;

/// <summary>
/// Tells a phantom study by the notice that lies in its folder and in that of each of its data sets, so that nobody has to say
/// that data are synthetic.
/// </summary>
internal static class PhantomMark
{
    /// <summary>The name of the notice.</summary>
    public const string FileName = "README.txt";

    /// <summary>What the notice begins with.</summary>
    public const string Start = "Phantom study, seed ";

    /// <summary>Whether the lists or the pictures of a data set are a phantom study's.</summary>
    public static bool IsOn(IDataSetReader reader) =>
        IsIn(reader.ImageFolder) || reader.Files.Any(file => IsIn(Path.GetDirectoryName(Path.GetFullPath(file))!));

    /// <summary>Whether a folder is in a phantom study.</summary>
    public static bool IsIn(string folder)
    {
        if (folder.Length == 0) return false;
        for (var place = new DirectoryInfo(folder); place is not null; place = place.Parent)
            if (Notice(place.FullName) is not null) return true;
        return false;
    }

    /// <summary>The first line of a phantom study's notice; null where there is none.</summary>
    public static string? Notice(string folder)
    {
        try
        {
            if (InputFile.KindOf(Path.Combine(folder, FileName)) != FileKind.File) return null;
            using var file = File.OpenText(Path.Combine(folder, FileName));
            var start = new char[200];
            var text = new string(start, 0, file.ReadBlock(start));
            return text.StartsWith(Start, StringComparison.Ordinal) ? text.Split('\n')[0] : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
