using Pfmvg.Geometry;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Drawing;

/// <summary>
/// Draws phantom radiographs: tissue densities along each ray, findings on top, then exposure and noise. An instance keeps its
/// buffers and is for one thread; the picture depends on its description alone.
/// </summary>
internal sealed class Renderer
{
    // A box surrounds the pixels whose change of density is at least this share of the finding's strongest change.
    private const float Visible = 0.25f;

    // A finding that changes the density less than this (about 6 gray levels) cannot be seen at all.
    private const float Faint = 0.03f;

    private float[] _density = [], _lung = [], _heart = [], _vessels = [], _added = [];
    private int _width, _height;

    /// <summary>Draws a picture with its findings.</summary>
    /// <param name="picture">What to draw.</param>
    /// <param name="without">Index of a finding to leave out while everything else stays the same; null for none.</param>
    /// <param name="anatomy">Measure the regions of the anatomy, too.</param>
    public PhantomImage Render(PhantomPicture picture, int? without = null, bool anatomy = false)
    {
        ArgumentNullException.ThrowIfNull(picture);
        (_width, _height) = (picture.Width, picture.Height);
        Reserve(_width * _height);
        var projection = Projection.Sample(picture.Random("pose"), _width, _height);
        var boxes = new IReadOnlyList<Box>[picture.Findings.Count];
        IReadOnlyList<(string, Box)> regions = [];
        if (picture.View == PhantomView.Lateral)
        {
            LateralChest.Draw(_density, _width, _height, projection, picture);
            Array.Fill(boxes, []);
        }
        else
        {
            var patient = ThoraxShape.Sample(new CounterRandom(picture.Seed, "anatomy", picture.Patient));
            var thorax = new Thorax(patient with { Dome = patient.Dome + picture.Random("breath").Range(-0.06f, 0.06f) });
            var vessels = _vessels.AsSpan(0, _width * _height);
            vessels.Clear();
            Strokes.Draw(vessels, _width, _height, projection, Strokes.Vessels(picture.Random("vessels"), thorax));
            FrontalChest.Draw(new(_density, _lung, _heart, _vessels), _width, _height, projection, thorax, picture);
            DrawFindings(picture, thorax, projection, without, boxes);
            if (anatomy) regions = Anatomy.Measure(new(_density, _lung, _heart, _vessels), _width, _height, projection, thorax);
            Strokes.Draw(_density, _width, _height, projection, Strokes.Overlays(picture.Random("overlays"), thorax));
        }

        return new(_width, _height, Expose(picture, projection), boxes) { Anatomy = regions };
    }

    private void DrawFindings(PhantomPicture picture, Thorax thorax, Projection projection, int? without, IReadOnlyList<Box>[] boxes)
    {
        var heartScale = FindingShape.HeartScale(picture.Findings);

        // The heart comes first: it covers lung that later findings would whiten.
        foreach (var index in Enumerable.Range(0, boxes.Length).OrderBy(i => picture.Findings[i].Class != FindingClass.Cardiomegaly))
        {
            var finding = picture.Findings[index];
            if (index == without)
            {
                boxes[index] = [];
                continue;
            }

            var slack = picture.Random("box", index);
            boxes[index] = FindingShape.PerLung(finding, thorax, heartScale)
                .Select(shape => Add(shape, projection, slack)).OfType<Box>().Where(box => !box.IsEmpty).ToList();
            if (finding.Class != FindingClass.Cardiomegaly) continue;
            foreach (var shape in FindingShape.PerLung(finding, thorax, heartScale))
                ForEach(projection, shape, (at, u, v) => _heart[at] = Math.Max(_heart[at], thorax.Heart(u, v, heartScale)));
        }
    }

    /// <summary>Adds a shape to the picture; returns the box of the visible change in whole pixels, or null without one.</summary>
    private Box? Add(FindingShape shape, Projection projection, CounterRandom slack)
    {
        var strongest = 0f;
        ForEach(projection, shape, (at, u, v) =>
        {
            var added = shape.Added(u, v, new(_lung[at], _heart[at], _vessels[at]));
            _added[at] = added;
            _density[at] += added;
            strongest = Math.Max(strongest, Math.Abs(added));
        });
        if (strongest < Faint) return null;

        var (left, top, right, bottom) = (_width, _height, -1, -1);
        ForEach(projection, shape, (at, _, _) =>
        {
            if (Math.Abs(_added[at]) < strongest * Visible) return;
            var (x, y) = (at % _width, at / _width);
            (left, top, right, bottom) = (Math.Min(left, x), Math.Min(top, y), Math.Max(right, x), Math.Max(bottom, y));
        });

        // Annotators leave a small margin around what they mean.
        var (marginX, marginY) = (0.035f * (right - left), 0.035f * (bottom - top));
        return new Box(
            Math.Max(0, MathF.Floor(left - slack.Range(0, marginX))),
            Math.Max(0, MathF.Floor(top - slack.Range(0, marginY))),
            Math.Min(_width, MathF.Ceiling(right + 1 + slack.Range(0, marginX))),
            Math.Min(_height, MathF.Ceiling(bottom + 1 + slack.Range(0, marginY))));
    }

    /// <summary>Visits the pixels of a shape's rectangle.</summary>
    private void ForEach(Projection projection, FindingShape shape, Action<int, float, float> visit)
    {
        var area = projection.Cover(shape.Left, shape.Top, shape.Right, shape.Bottom, _width, _height);
        for (var y = area.Top; y < area.Bottom; y++)
        {
            var (u, v) = projection.ToChest(area.Left + 0.5f, y + 0.5f);
            for (var x = area.Left; x < area.Right; x++)
            {
                visit(y * _width + x, u, v);
                u += projection.Across.U;
                v += projection.Across.V;
            }
        }
    }

    /// <summary>Film: density to gray through a soft curve, quantum noise, collimator blades.</summary>
    private byte[] Expose(PhantomPicture picture, Projection projection)
    {
        var random = picture.Random("exposure");
        var (gain, middle, noise) = (random.Range(2.1f, 3.0f), random.Range(0.44f, 0.54f), random.Range(1.5f, 5.5f));
        var collimator = Collimator.Sample(picture.Random("collimator"), projection);
        var key = picture.Random("noise").NextBits();
        var gray = new byte[_width * _height];
        var at = 0;
        for (var y = 0; y < _height; y++)
        {
            var (u, v) = projection.ToChest(0.5f, y + 0.5f);
            for (var x = 0; x < _width; x++, at++)
            {
                var exposed = (_density[at] - middle) * gain;
                var level = 0.5f + 0.5f * exposed / MathF.Sqrt(1 + exposed * exposed);
                level *= collimator.Open(u, v);
                gray[at] = (byte)Math.Clamp(255 * level + noise * Normal(key, at) + 0.5f, 0, 255);
                u += projection.Across.U;
                v += projection.Across.V;
            }
        }

        return gray;
    }

    /// <summary>An approximately normal number: the sum of four 16-bit numbers, scaled to variance 1.</summary>
    private static float Normal(ulong key, int index)
    {
        var bits = unchecked(key + (ulong)index * 0x9E3779B97F4A7C15UL);
        bits = unchecked((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9UL);
        bits = unchecked((bits ^ (bits >> 27)) * 0x94D049BB133111EBUL);
        bits ^= bits >> 31;
        var sum = (int)(bits & 0xFFFF) + (int)((bits >> 16) & 0xFFFF) + (int)((bits >> 32) & 0xFFFF) + (int)(bits >> 48);
        return (sum - 131070) * (1.7320508f / 65536);
    }

    private void Reserve(int pixels)
    {
        if (_density.Length >= pixels) return;
        (_density, _lung, _heart) = (new float[pixels], new float[pixels], new float[pixels]);
        (_vessels, _added) = (new float[pixels], new float[pixels]);
    }
}
