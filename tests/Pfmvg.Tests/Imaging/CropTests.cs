using Pfmvg.Geometry;
using Pfmvg.Imaging;

namespace Pfmvg.Tests.Imaging;

public sealed class CropTests
{
    [Fact]
    public void A_box_drawn_into_the_picture_is_found_where_the_crop_moves_it()
    {
        for (var trial = 0; trial < 60; trial++)
        {
            var random = new CounterRandom(3, "test", trial);
            var (width, height, size) = (80 + random.Next(300), 80 + random.Next(300), 56 + random.Next(200));
            var box = RandomBox(random, width, height, smallest: 16);
            var pixels = new byte[width * height];
            for (var y = (int)box.Top; y < box.Bottom; y++)
                for (var x = (int)box.Left; x < box.Right; x++) pixels[y * width + x] = 255;

            var crop = Crop.Random(width, height, [box], 0.5, random);
            var moved = Assert.Single(crop.Apply([box]));
            var seen = ImageTransform.Resize(new DecodedImage(width, height, 1, pixels), size, crop);

            // Half brightness lies at the edge of the box, within a pixel of the picture that the model sees or, when
            // that is finer, of the source.
            var found = Bright(seen);
            var (scaleX, scaleY) = ((double)size / crop.Width, (double)size / crop.Height);
            Assert.InRange(found.Left - moved.Left * scaleX, -Math.Max(1, scaleX), Math.Max(1, scaleX));
            Assert.InRange(found.Right - moved.Right * scaleX, -Math.Max(1, scaleX), Math.Max(1, scaleX));
            Assert.InRange(found.Top - moved.Top * scaleY, -Math.Max(1, scaleY), Math.Max(1, scaleY));
            Assert.InRange(found.Bottom - moved.Bottom * scaleY, -Math.Max(1, scaleY), Math.Max(1, scaleY));
        }
    }

    [Fact]
    public void The_target_is_never_lost_and_the_crop_is_inside_the_picture()
    {
        var whole = 0;
        for (var trial = 0; trial < 2000; trial++)
        {
            var random = new CounterRandom(4, "test", trial);
            var (width, height) = (1 + random.Next(500), 1 + random.Next(500));
            var boxes = Enumerable.Range(0, 1 + random.Next(3)).Select(_ => RandomBox(random, width, height, smallest: 1)).ToList();
            var crop = Crop.Random(width, height, boxes, 0.5, random, keep: 0.6);
            Assert.True(crop.Left >= 0 && crop.Top >= 0 && crop.Width > 0 && crop.Height > 0 && crop.Left + crop.Width <= width
                && crop.Top + crop.Height <= height);
            var moved = crop.Apply(boxes);
            Assert.Equal(boxes.Count, moved.Count);
            foreach (var (before, after) in boxes.Zip(moved))
            {
                Assert.True(after.Area >= 0.6 * before.Area - 1e-9);
                Assert.True(after.Left >= 0 && after.Top >= 0 && after.Right <= crop.Width && after.Bottom <= crop.Height);
            }

            if (crop == Crop.Whole(width, height)) whole++;
        }

        Assert.InRange(whole, 1, 1000); // crops again, and gives up on the few that cannot be cropped
    }

    [Fact]
    public void Area_and_aspect_follow_torchvision()
    {
        for (var trial = 0; trial < 2000; trial++)
        {
            var crop = Crop.Random(900, 1000, [], 0.5, new CounterRandom(5, "test", trial));
            Assert.InRange(crop.Width * crop.Height / 900_000.0, 0.498, 1.002);
            Assert.InRange((double)crop.Width / crop.Height, 0.74, 1.34);
        }

        // nothing fits: central, 4/3 wide
        Assert.Equal(new Crop((1000 - 267) / 2, 0, 267, 200), Crop.Random(1000, 200, [], 1, new CounterRandom(5, "test")));
        Assert.Equal(new Crop(0, (1000 - 267) / 2, 200, 267), Crop.Random(200, 1000, [], 1, new CounterRandom(5, "test")));
    }

    [Fact]
    public void The_same_purpose_gives_the_same_crop() =>
        Assert.Equal(Crop.Random(640, 480, [], 0.5, new CounterRandom(6, "crop", 2, 9)),
            Crop.Random(640, 480, [], 0.5, new CounterRandom(6, "crop", 2, 9)));

    private static Box RandomBox(CounterRandom random, int width, int height, int smallest)
    {
        int w = Math.Min(width, smallest + random.Next(Math.Max(1, width - smallest))),
        h = Math.Min(height, smallest + random.Next(Math.Max(1, height - smallest)));
        return Box.FromXywh(random.Next(width - w + 1), random.Next(height - h + 1), w, h);
    }

    private static Box Bright(DecodedImage image)
    {
        var (left, top, right, bottom) = (image.Width, image.Height, 0, 0);
        for (var y = 0; y < image.Height; y++)
        {
            for (var x = 0; x < image.Width; x++)
            {
                if (image.Pixels[y * image.Width + x] < 128) continue;
                (left, top, right, bottom) = (Math.Min(left, x), Math.Min(top, y), Math.Max(right, x + 1), Math.Max(bottom, y + 1));
            }
        }

        return new Box(left, top, right, bottom);
    }
}
