using System.Globalization;

namespace Pfmvg;

/// <summary>Sizes and times for people.</summary>
public static class Units
{
    /// <summary>A number of bytes, as in "1.5 GiB".</summary>
    public static string Bytes(long bytes)
    {
        string[] names = ["bytes", "KiB", "MiB", "GiB", "TiB"];
        var (value, unit) = ((double)bytes, 0);
        for (; value >= 1024 && unit < names.Length - 1; unit++) value /= 1024;
        return string.Create(CultureInfo.InvariantCulture, $"{(unit == 0 ? $"{bytes}" : $"{value:f1}")} {names[unit]}");
    }

    /// <summary>A time, as in "0:02:13" or "3 days 4:05:06".</summary>
    public static string Duration(TimeSpan time)
    {
        if (time > TimeSpan.FromDays(3650)) return "-";
        var clock = string.Create(CultureInfo.InvariantCulture, $"{time.Hours}:{time.Minutes:00}:{time.Seconds:00}");
        return time.Days == 0 ? clock : $"{time.Days} {(time.Days == 1 ? "day" : "days")} {clock}";
    }
}
