using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs.Records;

public sealed class RunFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static IReadOnlyList<RunFile> Hash(string path, params RunFile[] known) =>
        RunFile.HashAll([path], known, TestContext.Current.CancellationToken);

    [Fact]
    public void A_file_is_known_by_its_sha256()
    {
        File.WriteAllText(_folder.In("a.bin"), "abc");
        var file = Assert.Single(Hash(_folder.In("a.bin")));
        Assert.Equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", file.Sha256); // FIPS 180-2's example
        Assert.Equal(3, file.Bytes);
    }

    [Fact]
    public void A_folder_stands_for_its_files_in_order()
    {
        foreach (var name in new[] { "b", "a", "c" }) File.WriteAllText(_folder.In(name), name);
        Directory.CreateDirectory(_folder.In("below"));
        Assert.Equal(["a", "b", "c"], Hash(_folder.Path).Select(file => Path.GetFileName(file.Path)));
    }

    [Fact]
    public void A_pipe_is_refused_and_not_waited_for()
    {
        Assert.Equal(0, Shell.Run("mkfifo", [_folder.In("pipe")]).ExitCode);
        Assert.Contains("this is a pipe", Assert.Throws<InputException>(() => Hash(_folder.In("pipe"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_known_file_of_the_same_size_and_time_is_not_read_again()
    {
        File.WriteAllText(_folder.In("a"), "abc");
        var known = Hash(_folder.Path)[0] with { Sha256 = "known" };
        Assert.Equal("known", Hash(_folder.Path, known)[0].Sha256);
        File.SetLastWriteTimeUtc(_folder.In("a"), DateTime.UtcNow.AddSeconds(-5));
        Assert.NotEqual("known", Hash(_folder.Path, known)[0].Sha256);
    }

    [Fact]
    public void Changes_are_named_and_a_move_of_the_folder_is_none()
    {
        var (one, two) = (_folder.In("one"), _folder.In("two"));
        foreach (var folder in new[] { one, two })
        {
            Directory.CreateDirectory(folder);
            foreach (var name in new[] { "same", "other" }) File.WriteAllText(Path.Combine(folder, name), name);
        }

        var before = Hash(one);
        Assert.Empty(RunFile.Changes(before, Hash(two)));
        File.WriteAllText(Path.Combine(two, "other"), "changed");
        File.Delete(Path.Combine(two, "same"));
        File.WriteAllText(Path.Combine(two, "more"), "");
        Assert.Equal([$"{two}/more is new", $"{two}/other has changed", $"{one}/same is gone"], RunFile.Changes(before, Hash(two)));
    }

    [Fact]
    public void An_absent_file_is_an_input_error() =>
        Assert.Contains("does not exist", Assert.Throws<InputException>(() => Hash(_folder.In("none"))).Message, StringComparison.Ordinal);
}
