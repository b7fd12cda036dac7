using System.Diagnostics;
using Pfmvg.Cli.Process;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests;

public sealed class FileFaultTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // Faults that hold for root, too: rights alone do not stop it.
    public static TheoryData<string, string> Faults => new()
    {
        { "file/in", "is a file, and there can be nothing in it" },
        { "loop", "leads back to itself" },
        { "loop/in", "leads back to itself" },
        { new string('x', 300), "too long" },
        { "folder", "this is a folder; name a file" },
        { "nothing", "does not exist" },
        { "lost", "is a link to gone, which is not there" },
        { "nothing/in", "does not exist" },
    };

    private string Prepare(string name)
    {
        File.WriteAllText(_folder.In("file"), "x");
        Directory.CreateDirectory(_folder.In("folder"));
        File.CreateSymbolicLink(_folder.In("loop"), "back");
        File.CreateSymbolicLink(_folder.In("back"), "loop");
        File.CreateSymbolicLink(_folder.In("lost"), "gone");
        return _folder.In(name);
    }

    private static void AssertSentence(string message, string path, string expected)
    {
        Assert.Contains(path, message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.Single(message.Split('\n'));
        foreach (var raw in (string[])["Could not find", "Access to the path", "part of the path", "  at ", "Exception"])
            Assert.DoesNotContain(raw, message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public void What_the_file_system_refuses_is_a_sentence_and_wrong_input(string name, string expected)
    {
        var path = Prepare(name);
        var failure = Assert.ThrowsAny<Exception>(() => File.ReadAllText(path));
        AssertSentence(FileFault.Of(failure)!.Message, path, expected);
        var told = Failure.From(new AggregateException(failure)); // as from several threads
        Assert.Equal(ExitCode.WrongInput, told.Code);
        AssertSentence(told.Text, path, expected);
        AssertSentence(FileFault.At(path, failure).Message, path, expected);
    }

    [Fact]
    public void A_file_in_the_place_of_a_folder_is_told_in_writing()
    {
        var path = Prepare("file");
        foreach (var write in (Action[])[() => Directory.CreateDirectory(path), () => Directory.CreateDirectory(path + "/in")])
            AssertSentence(FileFault.Say(Assert.ThrowsAny<Exception>(write)), path, "is a file");
        AssertSentence(FileFault.Say(Assert.ThrowsAny<Exception>(() => AtomicFile.WriteText(path + "/in", "x"))), path, "is a file");
    }

    [Fact]
    public void A_full_disk_is_told_in_the_words_that_people_search_for()
    {
        var failure = Assert.ThrowsAny<IOException>(() =>
        {
            using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            full.Write("x"u8);
        });
        Assert.Contains("the disk is full (No space left on device)", FileFault.Say(failure), StringComparison.Ordinal);
    }

    [Fact]
    public void A_temporary_name_is_never_told_but_the_one_that_the_file_was_to_get()
    {
        var temporary = $"/place/.scores.json.1234.{Guid.NewGuid():N}.tmp";
        var full = FileFault.Of(new IOException($"No space left on device : '{temporary}'", 28))!;
        Assert.StartsWith("/place/scores.json: the disk is full", full.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_failures_stay_failures()
    {
        Assert.Null(FileFault.Of(new InvalidOperationException("x")));
        Assert.Null(FileFault.Of(new EndOfStreamException()));
        Assert.Null(FileFault.Of(new FileNotFoundException("Could not load file or assembly 'X'", "X, Version=1.0.0.0")));
    }

    [Fact]
    public void No_file_replaces_a_pipe_or_a_device()
    {
        var pipe = _folder.In("pipe");
        Assert.Equal(0, Shell.Run("mkfifo", [pipe]).ExitCode);
        Assert.Throws<InputException>(() => AtomicFile.WriteText(pipe, "x"));
        Assert.Equal([pipe], Directory.GetFileSystemEntries(_folder.Path));
        Assert.True(FileFault.IsSpecial("/dev/null"));
        Assert.False(FileFault.IsSpecial(_folder.Path));
        Assert.False(FileFault.IsSpecial(_folder.In("nothing")));
    }

    [Fact]
    public void A_held_folder_is_seen_to_be_so_without_writing()
    {
        var path = _folder.In(HoldFile.Name);
        Assert.Equal(false, HoldFile.IsTaken(path));
        Assert.False(File.Exists(path));
        using (HoldFile.TryTake(path)) Assert.Equal(true, HoldFile.IsTaken(path));
        Assert.Equal(false, HoldFile.IsTaken(path));
        using var free = HoldFile.TryTake(path);
        Assert.NotNull(free);

        // A program that runs can be read and cannot be written, by root neither.
        var running = _folder.In("running");
        using var self = Process.GetCurrentProcess();
        File.CreateSymbolicLink(running, self.MainModule!.FileName);
        Assert.ThrowsAny<Exception>(() => new FileStream(running, FileMode.Open, FileAccess.ReadWrite).Dispose());
        Assert.Equal(false, HoldFile.IsTaken(running));

        Directory.CreateDirectory(_folder.In("closed"));
        Assert.Null(HoldFile.IsTaken(_folder.In("closed"))); // no file to look into
    }
}
