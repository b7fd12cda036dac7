namespace Pfmvg.Tests.Cli;

public class UnitsTests
{
    [Theory]
    [InlineData(0, "0 bytes")]
    [InlineData(1023, "1023 bytes")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(13_476_831_232, "12.6 GiB")]
    [InlineData(long.MaxValue, "8388608.0 TiB")]
    public void Sizes_read_well(long bytes, string expected) => Assert.Equal(expected, Units.Bytes(bytes));

    [Theory]
    [InlineData(0, "0 kB")]
    [InlineData(524_288, "524 kB")]
    [InlineData(6_330_000, "6.33 MB")]
    [InlineData(48_000_000_000, "48.0 GB")]
    public void Sizes_in_decimal_units_have_about_three_digits(long bytes, string expected) =>
        Assert.Equal(expected, Units.DecimalBytes(bytes));

    [Fact]
    public void Large_counts_are_grouped() => Assert.Equal("1,234,567", Units.Count(1_234_567));

    [Theory]
    [InlineData(59.9, "0:00:59")]
    [InlineData(3725, "1:02:05")]
    [InlineData(90061, "1 day 1:01:01")]
    [InlineData(1e11, "-")]
    public void Times_read_well(double seconds, string expected) => Assert.Equal(expected, Units.Duration(TimeSpan.FromSeconds(seconds)));
}
