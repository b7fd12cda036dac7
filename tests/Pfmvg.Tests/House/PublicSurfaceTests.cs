using Pfmvg.Runs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.House;

/// <summary>What programs of other people may use is decided, not left over.</summary>
public class PublicSurfaceTests
{
    private const string Variable = "PFMVG_WRITE_PUBLIC_TYPES";

    private static readonly string Listed = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "House", "public-types.txt");

    [Fact]
    public void Public_types_are_those_that_were_decided_on()
    {
        var types = typeof(Session).Assembly.GetExportedTypes().Select(type => type.FullName!).Order(StringComparer.Ordinal).ToArray();
        if (Environment.GetEnvironmentVariable(Variable) == "1") File.WriteAllLines(Listed, types);
        var decided = File.ReadAllLines(Listed);
        var (added, gone) = (string.Join(", ", types.Except(decided)), string.Join(", ", decided.Except(types)));
        Assert.True(types.SequenceEqual(decided), $"""
            New: {added}. Gone: {gone}.
            Make a type internal unless programs that use the library need it. If they do, write the list anew with:
                {Variable}=1 dotnet test tests/Pfmvg.Tests -c Release --filter {nameof(Public_types_are_those_that_were_decided_on)}
            """);
    }
}
