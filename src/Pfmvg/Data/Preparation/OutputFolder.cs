using Pfmvg.Data.Files;

namespace Pfmvg.Data.Preparation;

/// <summary>
/// The folder of a preparation: it holds the old result or the new one, whole, whatever is killed and when. The new files are
/// written into a subfolder; its renaming is the moment in which the result changes. After it, whoever opens the folder next
/// finishes moving the files, if the preparation itself could not.
/// </summary>
internal sealed class OutputFolder : IDisposable
{
    /// <summary>The description of the prepared data.</summary>
    public const string Description = "prepared.json";

    private const string Unfinished = ".unfinished", Complete = ".complete";

    private readonly string _folder;
    private readonly IDisposable _hold;

    private OutputFolder(string folder, IDisposable hold) => (_folder, _hold) = (folder, hold);

    /// <summary>Where the new files are written.</summary>
    public string New => Path.Combine(_folder, Unfinished);

    /// <summary>Takes the folder for this process, and removes what a killed one left unfinished.</summary>
    /// <exception cref="InputException">Another process prepares data here, or the folder cannot be written.</exception>
    public static OutputFolder Take(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
            var hold = HoldFile.TryTake(Path.Combine(folder, HoldFile.Name)) ?? throw new InputException(
                $"{Path.GetFullPath(folder)}: another process is preparing data here; wait for it, or give another folder with --out.");
            FinishChange(folder);
            var taken = new OutputFolder(folder, hold);
            taken.RemoveUnfinished();
            Directory.CreateDirectory(taken.New);
            return taken;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{Path.GetFullPath(folder)}: the prepared data cannot be written here; give another folder with "
                + $"--out ({FileFault.Say(e).TrimEnd('.')}).", e);
        }
    }

    /// <summary>Puts the new files in the place of the old ones; old manifests without a new one are removed.</summary>
    public void Change()
    {
        Directory.Move(New, Path.Combine(_folder, Complete));
        FinishChange(_folder);
    }

    /// <summary>Whether there are prepared data in the folder.</summary>
    public static bool IsPrepared(string folder)
    {
        FinishChange(folder);
        return File.Exists(Path.Combine(folder, Description));
    }

    /// <summary>Finishes the change of a preparation that was killed in the middle of it. Several processes may do so at once.</summary>
    /// <exception cref="InputException">The folder cannot be written.</exception>
    public static void FinishChange(string folder)
    {
        var complete = Path.Combine(folder, Complete);
        if (!Directory.Exists(complete)) return;
        try
        {
            var description = Path.Combine(complete, Description); // moved last: with it gone, everything is
            if (File.Exists(description))
            {
                var names = PreparedData.Describe(complete).Section("counts");
                foreach (var name in Enum.GetValues<SampleTask>()
                    .SelectMany(task => Enum.GetValues<Split>().Select(split => Manifest.FileName(task, split))))
                {
                    if (names?.Find(name) is null) File.Delete(Path.Combine(folder, name));
                    else Move(name);
                }

                Move(Description);
            }

            if (Directory.Exists(complete)) Directory.Delete(complete, recursive: true);
        }
        catch (FileNotFoundException)
        {
            // Another process has finished it.
        }
        catch (DirectoryNotFoundException)
        {
            // Likewise.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{Path.GetFullPath(folder)}: a preparation was killed while it put its files in place, and they "
                + $"cannot be moved now; make the folder writable ({FileFault.Say(e).TrimEnd('.')}).", e);
        }

        void Move(string name)
        {
            var from = Path.Combine(complete, name);
            if (File.Exists(from)) File.Move(from, Path.Combine(folder, name), overwrite: true);
        }
    }

    /// <summary>Gives the folder back; what is unfinished is removed.</summary>
    public void Dispose()
    {
        RemoveUnfinished();
        _hold.Dispose();
    }

    private void RemoveUnfinished()
    {
        if (Directory.Exists(New)) Directory.Delete(New, recursive: true);
        foreach (var half in Directory.GetFiles(_folder, ".*.tmp")) File.Delete(half);
    }
}
