using Pfmvg.Geometry;
using Pfmvg.Phantoms.Drawing;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Tests.Phantoms;

public class PhantomRenderingTests
{
    private const int Gray = 6; // gray levels of the smallest visible change

    [Fact]
    public void What_a_finding_changes_lies_in_its_boxes_and_fills_them()
    {
        var renderer = new Renderer();
        foreach (var picture in Pictures(seed: 5, count: 20))
        {
            var whole = renderer.Render(picture);
            for (var index = 0; index < picture.Findings.Count; index++)
            {
                var change = Change(whole, renderer.Render(picture, without: index));
                var (inside, all) = (0.0, 0.0);
                foreach (var (x, y, amount) in change)
                {
                    all += amount;
                    if (whole.Boxes[index].Any(box => Contains(box, x, y))) inside += amount;
                }

                var finding = picture.Findings[index];
                Assert.True(inside >= 0.9 * all, $"{finding}: only {inside / all:p0} of the change is inside");
                foreach (var box in whole.Boxes[index])
                {
                    var seen = change.Where(c => Contains(box, c.X, c.Y)).ToList();
                    var (width, height) = (seen.Max(c => c.X) + 1 - seen.Min(c => c.X), seen.Max(c => c.Y) + 1 - seen.Min(c => c.Y));
                    Assert.True(width >= 0.8 * box.Width && height >= 0.8 * box.Height,
                        $"{finding}: {width} x {height} of {box} is changed");
                }
            }
        }
    }

    [Fact]
    public void Every_finding_has_its_boxes_and_every_box_lies_in_its_picture()
    {
        var renderer = new Renderer();
        foreach (var picture in Pictures(seed: 6, count: 150).Concat(Pictures(seed: 8, count: 20, width: 100, height: 90)))
        {
            var image = renderer.Render(picture);
            for (var index = 0; index < picture.Findings.Count; index++)
            {
                Assert.Equal(picture.Findings[index].Side == FindingSide.Both ? 2 : 1, image.Boxes[index].Count);
                foreach (var box in image.Boxes[index])
                {
                    Assert.True(box.Left >= 0 && box.Top >= 0 && box.Right <= image.Width && box.Bottom <= image.Height, $"{box}");
                    Assert.True(box.Width >= 3 && box.Height >= 3, $"{picture.Findings[index]}: {box}");
                    Assert.All([box.Left, box.Top, box.Right, box.Bottom], edge => Assert.Equal(Math.Round(edge), edge));
                }
            }
        }
    }

    [Fact]
    public void The_patients_left_is_the_pictures_right()
    {
        var renderer = new Renderer();
        var compared = 0;
        foreach (var picture in Pictures(seed: 7, count: 60))
        {
            var image = renderer.Render(picture);
            var centers = picture.Findings.Zip(image.Boxes).Where(f => f.First.Side is FindingSide.Left or FindingSide.Right)
                .Select(f => (f.First.Side, X: (f.Second[0].Left + f.Second[0].Right) / 2)).ToList();
            foreach (var left in centers.Where(c => c.Side == FindingSide.Left))
            {
                foreach (var right in centers.Where(c => c.Side == FindingSide.Right))
                {
                    Assert.True(left.X > right.X, $"patient {picture.Patient}");
                    compared++;
                }
            }
        }

        Assert.True(compared > 30);
    }

    [Fact]
    public void A_used_renderer_draws_what_a_new_one_draws()
    {
        var pictures = Pictures(seed: 9, count: 3).ToList();
        var used = new Renderer();
        foreach (var picture in pictures.Append(pictures[0])) Assert.Equal(new Renderer().Render(picture).Gray, used.Render(picture).Gray);
    }

    [Fact]
    public void Two_studies_of_a_patient_differ_and_share_the_anatomy()
    {
        var first = PhantomPicture.Sample(1, 1, 0, 320, 384) with { Findings = [] };
        var renderer = new Renderer();
        var gray = renderer.Render(first).Gray;
        Assert.NotEqual(gray, renderer.Render(first with { Study = 1 }).Gray);
        Assert.NotEqual(gray, renderer.Render(first with { Patient = 2 }).Gray);
        Assert.NotEqual(gray, renderer.Render(first with { Seed = 2 }).Gray);
        Assert.NotEqual(gray, renderer.Render(first with { View = PhantomView.Lateral }).Gray);
    }

    private static IEnumerable<PhantomPicture> Pictures(long seed, int count, int width = 320, int height = 384) =>
        Enumerable.Range(0, count).Select(patient =>
            PhantomPicture.Sample(seed, patient, 0, width, height, wanted: (FindingClass)(patient % 8)));

    private static bool Contains(Box box, int x, int y) => x >= box.Left && x < box.Right && y >= box.Top && y < box.Bottom;

    private static List<(int X, int Y, int Amount)> Change(PhantomImage with, PhantomImage without)
    {
        var changed = new List<(int X, int Y, int Amount)>();
        for (var i = 0; i < with.Gray.Length; i++)
        {
            var amount = Math.Abs(with.Gray[i] - without.Gray[i]);
            if (amount >= Gray) changed.Add((i % with.Width, i / with.Width, amount));
        }

        return changed;
    }
}
