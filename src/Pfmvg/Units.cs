using System.Globalization;

namespace Pfmvg;

/// <summary>Numbers, sizes and times for people, the same in every culture.</summary>
internal static class Units
{
    /// <summary>A number of bytes in binary units, as in "1.5 GiB".</summary>
    public static string Bytes(long bytes)
    {
        string[] names = ["bytes", "KiB", "MiB", "GiB", "TiB"];
        var (value, unit) = ((double)bytes, 0);
        for (; value >= 1024 && unit < names.Length - 1; unit++) value /= 1024;
        return string.Create(CultureInfo.InvariantCulture, $"{(unit == 0 ? $"{bytes}" : $"{value:f1}")} {names[unit]}");
    }

    /// <summary>A number of bytes in the decimal units of data sheets, as in "48.0 GB".</summary>
    public static string DecimalBytes(long bytes) => bytes switch
    {
        >= 1_000_000_000 => $"{Number(bytes / 1e9)} GB",
        >= 1_000_000 => $"{Number(bytes / 1e6)} MB",
        _ => $"{Number(bytes / 1e3)} kB",
    };

    /// <summary>A number with about three digits, as in "0.614", "31.5" or "227".</summary>
    public static string Number(double value) =>
        value.ToString(value >= 100 ? "f0" : value >= 10 ? "f1" : "g3", CultureInfo.InvariantCulture);

    /// <summary>A whole number in groups of three digits, as in "12,345".</summary>
    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A time, as in "0:02:13" or "3 days 4:05:06".</summary>
    public static string Duration(TimeSpan time)
    {
        if (time > TimeSpan.FromDays(3650)) return "-";
        var clock = string.Create(CultureInfo.InvariantCulture, $"{time.Hours}:{time.Minutes:00}:{time.Seconds:00}");
        return time.Days == 0 ? clock : $"{time.Days} {(time.Days == 1 ? "day" : "days")} {clock}";
    }
}
