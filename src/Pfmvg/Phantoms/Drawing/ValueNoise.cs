namespace Pfmvg.Phantoms.Drawing;

/// <summary>Smooth random texture: random values at integer points, with smooth interpolation between them.</summary>
internal readonly struct ValueNoise(ulong key)
{
    /// <summary>A value in [0, 1); features have a size of about 1.</summary>
    public float At(float x, float y)
    {
        var (left, top) = (MathF.Floor(x), MathF.Floor(y));
        var (i, j) = ((int)left, (int)top);
        var (a, b) = (Smooth(x - left), Smooth(y - top));
        var upper = Lattice(i, j) + a * (Lattice(i + 1, j) - Lattice(i, j));
        var lower = Lattice(i, j + 1) + a * (Lattice(i + 1, j + 1) - Lattice(i, j + 1));
        return upper + b * (lower - upper);

        static float Smooth(float t) => t * t * (3 - 2 * t);
    }

    private float Lattice(int i, int j)
    {
        var bits = unchecked(key ^ ((ulong)(uint)i * 0x9E3779B97F4A7C15UL) ^ ((ulong)(uint)j * 0xC2B2AE3D27D4EB4FUL));
        bits = unchecked((bits ^ (bits >> 32)) * 0xD6E8FEB86659FD93UL);
        return (bits >> 40) * (1f / (1 << 24));
    }
}
