namespace Pfmvg.Fuzz;

/// <summary>Makes an input smaller as long as the same fault stays: parts are left out, large ones first.</summary>
internal static class Minimiser
{
    private const int MostTrials = 1000;

    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);

    public static byte[] Run(Seed input, string fault)
    {
        var (bytes, trials, clock) = (input.Bytes, 0, System.Diagnostics.Stopwatch.StartNew());
        for (var part = Math.Max(1, bytes.Length / 2); part > 0; part /= 2)
        {
            for (var at = 0; at < bytes.Length;)
            {
                if (++trials > MostTrials || clock.Elapsed > Longest) return bytes;
                byte[] smaller = [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + part)..]];
                if (Trial.Run(input with { Bytes = smaller }).Fault == fault) bytes = smaller;
                else at += part;
            }
        }

        return bytes;
    }
}
