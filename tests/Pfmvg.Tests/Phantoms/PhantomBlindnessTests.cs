using Pfmvg.Geometry;
using Pfmvg.Phantoms.Drawing;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Tests.Phantoms;

/// <summary>A guess that does not look at the picture must score low.</summary>
public class PhantomBlindnessTests
{
    [Fact]
    public void The_best_constant_box_per_class_and_side_scores_low()
    {
        var findings = Findings(seed: 21, pictures: 500);
        var score = BlindScore(findings, f => (f.Class, f.Side, FindingZone.None, FindingSize.Small));
        Assert.InRange(score, 0.15, 0.32);
    }

    [Fact]
    public void All_the_words_of_the_phrase_together_do_not_give_the_place_away()
    {
        var findings = Findings(seed: 22, pictures: 500);
        var score = BlindScore(findings, f => (f.Class, f.Side, f.Zone, f.Size));
        Assert.InRange(score, 0.15, 0.36);
    }

    /// <summary>Findings with one box, in the unit square.</summary>
    private static List<(int Picture, Finding Finding, Box Box)> Findings(long seed, int pictures)
    {
        var renderer = new Renderer();
        return Enumerable.Range(0, pictures).SelectMany(patient =>
        {
            var picture = PhantomPicture.Sample(seed, patient, 0, 160, 192);
            var image = renderer.Render(picture);
            return picture.Findings.Zip(image.Boxes).Where(f => f.Second.Count == 1)
                .Select(f => (patient, f.First, f.Second[0].Scale(1.0 / image.Width, 1.0 / image.Height)));
        }).ToList();
    }

    /// <summary>Mean IoU, on the last fifth of the pictures, of the boxes that score best on the others.</summary>
    private static double BlindScore<TKey>(List<(int Picture, Finding Finding, Box Box)> findings, Func<Finding, TKey> key)
        where TKey : notnull
    {
        var split = findings[^1].Picture * 4 / 5;
        var guesses = findings.Where(f => f.Picture <= split).GroupBy(f => key(f.Finding))
            .ToDictionary(group => group.Key, group => BestConstant(group.Select(f => f.Box).ToList()));
        return findings.Where(f => f.Picture > split)
            .Average(f => guesses.TryGetValue(key(f.Finding), out var guess) ? Iou(guess, f.Box) : 0);
    }

    /// <summary>Climbs from the mean box to the one with the highest mean IoU.</summary>
    private static Box BestConstant(List<Box> boxes)
    {
        var best = new Box(boxes.Average(b => b.Left), boxes.Average(b => b.Top), boxes.Average(b => b.Right),
            boxes.Average(b => b.Bottom));
        var score = boxes.Average(b => Iou(best, b));
        for (var step = 0.05; step > 0.005; step /= 2)
        {
            for (var improved = true; improved;)
            {
                improved = false;
                foreach (var move in (double[])[step, -step])
                {
                    foreach (var next in (Box[])[
                        best with { Left = best.Left + move }, best with { Top = best.Top + move },
                        best with { Right = best.Right + move }, best with { Bottom = best.Bottom + move }])
                    {
                        var reached = boxes.Average(b => Iou(next, b));
                        if (reached <= score) continue;
                        (best, score, improved) = (next, reached, true);
                    }
                }
            }
        }

        return best;
    }

    private static double Iou(Box a, Box b)
    {
        var common = a.Intersect(b).Area;
        return common / (a.Area + b.Area - common);
    }
}
