namespace Pfmvg.Data.Sets;

/// <summary>MIMIC-CXR's reports, `files/p10/p10000032/s50414267.txt`: a download of their own, often in `mimic-cxr-reports`.</summary>
internal static class ReportFolder
{
    /// <summary>Patients that are looked at; where one has a report, all have.</summary>
    private const int Enough = 50;

    /// <summary>Whether a folder's `files` holds reports.</summary>
    public static bool IsRoot(string folder)
    {
        var files = Path.Combine(folder, "files");
        return Directory.Exists(files) && Directory.EnumerateDirectories(files, "p*")
            .SelectMany(Directory.EnumerateDirectories).Take(Enough)
            .Any(patient => Directory.EnumerateFiles(patient, "s*.txt").Any());
    }

    /// <summary>The folder that holds `files`, where the user names it, the folder above it, or `files` itself.</summary>
    public static string Find(string folder)
    {
        foreach (var root in new[] { folder, Path.Combine(folder, "mimic-cxr-reports"), Path.GetDirectoryName(Path.GetFullPath(folder)) })
            if (root is not null && IsRoot(root)) return root;
        return folder;
    }
}
