using Pfmvg.Geometry;

namespace Pfmvg.Imaging;

/// <summary>A rectangle of whole pixels of a picture.</summary>
/// <param name="Left">First column.</param>
/// <param name="Top">First row.</param>
/// <param name="Width">Columns.</param>
/// <param name="Height">Rows.</param>
public readonly record struct Crop(int Left, int Top, int Width, int Height)
{
    /// <summary>The whole picture.</summary>
    public static Crop Whole(int width, int height) => new(0, 0, width, height);

    /// <summary>Boxes of the picture as boxes of the crop: moved, cut at its edges, and left out where nothing remains.</summary>
    public IReadOnlyList<Box> Apply(IReadOnlyList<Box> boxes)
    {
        var edge = new Box(Left, Top, Left + Width, Top + Height);
        var (left, top) = (Left, Top);
        return [.. boxes.Select(box => box.Intersect(edge)).Where(box => !box.IsEmpty).Select(box => box.Move(-left, -top))];
    }

    /// <summary>
    /// A random crop as torchvision's RandomResizedCrop chooses it: an area share between <paramref name="leastArea"/> and
    /// 1, an aspect ratio between 3/4 and 4/3. A crop that leaves less than <paramref name="keep"/> of any box is drawn
    /// again; after <see cref="MostDraws"/> of them the picture stays whole, so the target is never lost. It never mirrors:
    /// left and right have a meaning.
    /// </summary>
    /// <param name="width">Width of the picture in pixels.</param>
    /// <param name="height">Height of the picture in pixels.</param>
    /// <param name="boxes">What must stay in view, in pixels.</param>
    /// <param name="leastArea">Smallest area as a share of the picture.</param>
    /// <param name="random">The stream of this sample in this epoch.</param>
    /// <param name="keep">Smallest share of every box's area that must stay in view.</param>
    public static Crop Random(int width, int height, IReadOnlyList<Box> boxes, double leastArea, CounterRandom random, double keep = 0.75)
    {
        for (var i = 0; i < MostDraws; i++)
        {
            var crop = RandomResizedCrop(width, height, leastArea, random);
            var edge = new Box(crop.Left, crop.Top, crop.Left + crop.Width, crop.Top + crop.Height);
            if (boxes.All(box => box.Intersect(edge).Area >= keep * box.Area && !box.Intersect(edge).IsEmpty)) return crop;
        }

        return Whole(width, height);
    }

    /// <summary>Crops that <see cref="Random"/> draws before it takes the whole picture.</summary>
    public const int MostDraws = 20;

    /// <summary>torchvision's get_params, with its ten attempts and its central fallback.</summary>
    private static Crop RandomResizedCrop(int width, int height, double leastArea, CounterRandom random)
    {
        const double narrowest = 3.0 / 4, widest = 4.0 / 3;
        for (var attempt = 0; attempt < 10; attempt++)
        {
            var area = (double)width * height * (leastArea + (1 - leastArea) * random.NextDouble());
            var aspect = Math.Exp(Math.Log(narrowest) + (Math.Log(widest) - Math.Log(narrowest)) * random.NextDouble());
            var (w, h) = ((int)Math.Round(Math.Sqrt(area * aspect)), (int)Math.Round(Math.Sqrt(area / aspect)));
            if (w > 0 && w <= width && h > 0 && h <= height) return new Crop(random.Next(width - w + 1), random.Next(height - h + 1), w, h);
        }

        var ratio = (double)width / height;
        var (fallbackWidth, fallbackHeight) = ratio < narrowest ? (width, (int)Math.Round(width / narrowest))
            : ratio > widest ? ((int)Math.Round(height * widest), height)
            : (width, height);
        return new Crop((width - fallbackWidth) / 2, (height - fallbackHeight) / 2, fallbackWidth, fallbackHeight);
    }
}
