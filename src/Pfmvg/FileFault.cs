using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Pfmvg;

/// <summary>What the file system refused, as a sentence: which path, what is wrong with it, what to do.</summary>
internal static partial class FileFault
{
    // Linux's error numbers, which .NET hands on.
    private const int NotPermitted = 1, NoEntry = 2, InputOutput = 5, Taken = 11, Access = 13, Busy = 16, Exists = 17, NoFolder = 20,
        IsFolder = 21, TableFull = 23, TooManyOpen = 24, TextBusy = 26, TooLarge = 27, NoSpace = 28, ReadOnlyDisk = 30, TooLong = 36,
        NotEmpty = 39, Loop = 40, Stale = 116, Quota = 122, LastNumber = 133;
    private const int MayRead = 4, MayWrite = 2, MayEnter = 1;

    /// <summary>The refusal that an exception stands for; null where it is none of the file system's.</summary>
    public static InputException? Of(Exception failure)
    {
        if (failure is not (IOException or UnauthorizedAccessException)) return null;
        if (failure is FileNotFoundException { FileName: null or "" } && !HasWorkingFolder())
            return new InputException("The working folder has been removed: change into one that exists.", failure);
        if (Number(failure) is not { } number) return null;
        return PathIn(failure) is { } path ? At(path, failure) : new InputException($"A file: {Reason(number, "")}.", failure);
    }

    /// <summary>The refusal of a path that is known.</summary>
    public static InputException At(string path, Exception failure) => new($"{path}: {Why(path, failure)}.", failure);

    /// <summary>The same with other words for the path.</summary>
    public static InputException At(string name, string path, Exception failure) => new($"{name}: {Why(path, failure)}.", failure);

    /// <summary>What is wrong with a path and what to do, to stand behind its name.</summary>
    public static string Why(string path, Exception failure) => Reason(Number(failure) ?? 0, path);

    /// <summary>What to keep of a failure: the sentence where the file system refused, else its own message.</summary>
    public static string Say(Exception failure) => Of(failure)?.Message ?? failure.Message;

    /// <summary>Why a path leads nowhere (a loop of links, a name too long, a file in the place of a folder); null where it may.</summary>
    public static string? Impossible(string path) =>
        Number(path, 0) is var number and not (0 or NoEntry) ? Reason(number, path) : null;

    /// <summary>Why nothing can be written into an existing folder; null where it can.</summary>
    public static string? Unwritable(string folder) =>
        Number(folder, MayWrite | MayEnter) is var number and not 0 ? Reason(number, folder) : null;

    /// <summary>The nearest that exists of a path and the folders above it.</summary>
    public static string Existing(string path)
    {
        var there = Path.GetFullPath(path);
        while (!Path.Exists(there) && Path.GetDirectoryName(there) is { } above) there = above;
        return there;
    }

    /// <summary>Whether a path is a device, a pipe or a socket: nothing that a file may replace.</summary>
    public static bool IsSpecial(string path) => InputFile.KindOf(path) is FileKind.Pipe or FileKind.Device or FileKind.Socket;

    private static string Reason(int number, string path) => number switch
    {
        NoSpace => "the disk is full (No space left on device); free some room, or name another disk",
        Quota => "your quota of the disk is used up; free some room, or name another disk",
        ReadOnlyDisk => "the file system there is mounted read-only; name another place",
        TooLong => "the name is too long for a file system (255 bytes for each part, 4095 in all); use a shorter one",
        Loop => "this is a link that leads back to itself; correct the link",
        TooLarge => "the file grows larger than the file system or a limit (ulimit -f) allows; name another disk",
        TooManyOpen or TableFull => "too many files are open; raise the limit (ulimit -n)",
        InputOutput => "the disk reports an error; check it (dmesg)",
        Busy or TextBusy or Taken => "this is in use by another process; wait for it",
        NotEmpty => "this folder is not empty; name another one",
        Stale => "the network file system has lost this file; mount it anew",
        _ when path.Length == 0 => "cannot be read or written; look at the disk and at the rights of this user",
        _ when FileAbove(path) is { } file => $"{file} is a file, and there can be nothing in it; name a folder",
        IsFolder => "this is a folder; name a file",
        // .NET says "denied" where a folder is opened as a file.
        Access when Directory.Exists(path) && Number(path, MayRead | MayEnter) == 0 => Number(path, MayWrite) == 0
            ? "this is a folder; name a file" : "nothing can be written into this folder; change its rights, or name another one",
        Access or NotPermitted => $"this user has no right to that (permission denied); change the rights of {Existing(path)}, or name "
            + "another place",
        Exists or NoFolder when File.Exists(path) => "this is a file; name a folder",
        Exists => "this exists already; name another place",
        NoEntry when new FileInfo(path).LinkTarget is { } target => $"this is a link to {target}, which is not there; correct the link",
        NoEntry => "this does not exist; correct the path",
        _ => "this cannot be read or written; look at the disk and at the rights of this user",
    };

    private static int? Number(Exception failure) => failure switch
    {
        PathTooLongException => TooLong,
        UnauthorizedAccessException => Access,
        FileNotFoundException { FileName: { } file } when !Path.IsPathRooted(file) => null, // a library of the program
        FileNotFoundException or DirectoryNotFoundException => NoEntry,
        IOException { HResult: > 0 and <= LastNumber } => failure.HResult,
        IOException when failure.Message.Contains("already exists", StringComparison.Ordinal) => Exists,
        IOException when failure.Message.Contains("symbolic link", StringComparison.Ordinal) => Loop,
        _ => null,
    };

    // .NET puts paths between quotation marks.
    private static string? PathIn(Exception failure) => (failure as FileNotFoundException)?.FileName is { Length: > 0 } name ? name
        : Quoted().Match(failure.Message) is { Success: true } match
            ? Temporary().Replace(match.Groups[1].Value, "/$1") : null; // the name that the file was to get

    private static string? FileAbove(string path)
    {
        for (var above = Path.GetDirectoryName(path); above is { Length: > 0 }; above = Path.GetDirectoryName(above))
        {
            if (File.Exists(above)) return above;
            if (Directory.Exists(above)) return null;
        }

        return null;
    }

    private static bool HasWorkingFolder()
    {
        try
        {
            return Environment.CurrentDirectory.Length > 0;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static int Number(string path, int mode) => Check(path, mode) == 0 ? 0 : Marshal.GetLastPInvokeError();

    [GeneratedRegex("'(.+)'", RegexOptions.Singleline)] private static partial Regex Quoted();

    [GeneratedRegex(@"/\.([^/]+)\.\d+\.[0-9a-f]{32}\.tmp(/\1)?")] private static partial Regex Temporary();

    [LibraryImport("libc", EntryPoint = "access", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Check(string path, int mode);
}
