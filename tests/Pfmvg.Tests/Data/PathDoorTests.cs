using FsCheck;
using FsCheck.Fluent;
using Pfmvg.Data.Files;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Data;

/// <summary>Laws of the door that paths out of files go through: nothing outside the folder, and nothing but files.</summary>
public sealed class PathDoorTests : IDisposable
{
    private static readonly string[] Words =
    [
        "..", ".", "", "in", "sub", "a.png", "b.png", "out", "secret.png", "to out", "to secret", "to sub", "to in", "pipe", "socket",
        "to zero", "\0", "\\", "~", " ", "etc", "dev", "zero", "..a", "loop",
    ];

    private readonly TemporaryFolder _folder = new();
    private readonly string _in, _out;

    public PathDoorTests()
    {
        (_in, _out) = (_folder.In("in"), _folder.In("out"));
        Directory.CreateDirectory(_folder.In("in", "sub", "deep"));
        Directory.CreateDirectory(_out);
        foreach (var file in new[] { "in/a.png", "in/sub/b.png", "in/sub/deep/a.png", "out/secret.png" })
            File.WriteAllText(_folder.In(file), file);
        Directory.CreateSymbolicLink(_folder.In("in", "to out"), "../out");
        File.CreateSymbolicLink(_folder.In("in", "to secret"), _folder.In("out", "secret.png"));
        Directory.CreateSymbolicLink(_folder.In("in", "to sub"), "sub/deep");
        Directory.CreateSymbolicLink(_folder.In("in", "to in"), "../in");
        File.CreateSymbolicLink(_folder.In("in", "to zero"), "/dev/zero");
        File.CreateSymbolicLink(_folder.In("in", "loop"), "loop");
        Assert.Equal(0, Shell.Run("mkfifo", [_folder.In("in", "pipe")]).ExitCode);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Whatever_path_is_asked_for_what_may_be_read_lies_inside_and_is_a_file() =>
        Check(Paths(), path => AssertInside(new ImageRoot(_in).Resolve(path, out var problem), problem));

    [Fact]
    public void Whatever_path_another_program_names_what_may_be_read_lies_inside_and_is_a_file() =>
        Check(Paths(), path => AssertInside(new ImageRoot(_in).Find(path, out var problem), problem));

    [Fact]
    public void A_file_inside_is_found_by_every_spelling_of_its_path() =>
        Check(from detour in Gen.Elements("", "./", "sub/../", "nothing/../", "sub/./../") from prefix in Gen.Elements("", _in + "/")
            from name in Gen.Elements("a.png", "sub/b.png", "sub/deep/a.png") select (prefix + detour + name, name), spelled =>
        {
            var path = new ImageRoot(_in).Find(spelled.Item1, out var problem);
            Assert.Null(problem);
            Assert.Equal($"in/{spelled.name}", File.ReadAllText(path));
        });

    [Fact]
    public void A_path_that_a_list_may_have_is_the_same_path_through_both_doors() => Check(Paths(), path =>
    {
        var strict = new ImageRoot(_in).Resolve(path, out var problem);
        if (problem is not null) return;
        Assert.Equal(strict, new ImageRoot(_in).Find(path, out problem));
        Assert.Null(problem);
    });

    [Theory]
    [InlineData("pipe", "this is a pipe, not a file")]
    [InlineData("to zero", "a link leads out of the image folder")]
    [InlineData("sub", "this is a folder, not a file")]
    [InlineData("loop", "a link cannot be followed")]
    public void What_is_no_file_is_refused_by_its_name(string path, string problem)
    {
        new ImageRoot(_in).Resolve(path, out var found);
        Assert.Equal(problem, found);
    }

    private Gen<string> Paths() =>
        from parts in Gen.Elements(Words).ListOf() from start in Gen.Elements("", "/", _in + "/", _out + "/", _in)
        select start + string.Join('/', parts);

    private static void AssertInside(string path, string? problem)
    {
        if (problem is not null) return;
        Assert.True(InputFile.KindOf(path) is FileKind.File or FileKind.Missing, path);
        if (!File.Exists(path)) return;
        Assert.StartsWith("in/", File.ReadAllText(path), StringComparison.Ordinal); // a file tells where it lies
    }

    private static void Check<T>(Gen<T> values, Action<T> law) =>
        FsCheck.Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(Arb.From(values), law));
}
