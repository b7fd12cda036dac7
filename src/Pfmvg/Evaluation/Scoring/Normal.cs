namespace Pfmvg.Evaluation.Scoring;

/// <summary>The standard normal distribution.</summary>
internal static class Normal
{
    /// <summary>The share below z, to about 15 digits (Marsaglia 2004: a series without cancellation).</summary>
    public static double Below(double z)
    {
        const double Far = 8.2; // beyond it the share differs from 0 or 1 by less than a double can add to 1
        if (double.IsNaN(z)) return z;
        if (Math.Abs(z) > Far) return z > 0 ? 1 : 0;
        var (sum, before, term) = (z, 0.0, z);
        for (var k = 3; sum != before; k += 2)
        {
            term *= z * z / k;
            (before, sum) = (sum, sum + term);
        }

        return 0.5 + sum * Math.Exp(-0.5 * z * z) / Math.Sqrt(2 * Math.PI);
    }

    /// <summary>The z below which a share lies.</summary>
    public static double Quantile(double share)
    {
        var (low, high) = (-8.2, 8.2);
        for (var i = 0; i < 64; i++)
        {
            var middle = (low + high) / 2;
            if (Below(middle) < share) low = middle;
            else high = middle;
        }

        return (low + high) / 2;
    }
}
