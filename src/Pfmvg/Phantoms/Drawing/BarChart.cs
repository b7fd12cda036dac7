using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Drawing;

/// <summary>A bar chart: one of ROCO's pictures that are not radiographs and must not be trained on.</summary>
internal static class BarChart
{
    public static PhantomImage Draw(CounterRandom random, int width, int height)
    {
        var gray = new byte[width * height];
        Array.Fill(gray, (byte)250);
        var (bars, margin) = (3 + random.Next(5), width / 10);
        Fill(margin, margin, margin + 2, height - margin, 20);
        Fill(margin, height - margin, width - margin, height - margin + 2, 20);
        var pitch = (width - 2 * margin) / bars;
        for (var i = 0; i < bars; i++)
        {
            var top = margin + random.Next(height - 3 * margin);
            Fill(margin + i * pitch + pitch / 4, top, margin + i * pitch + pitch * 3 / 4, height - margin, (byte)(60 + random.Next(130)));
        }

        return new(width, height, gray, []);

        void Fill(int left, int top, int right, int bottom, byte level)
        {
            for (var y = top; y < bottom; y++) gray.AsSpan(y * width + left, right - left).Fill(level);
        }
    }
}
