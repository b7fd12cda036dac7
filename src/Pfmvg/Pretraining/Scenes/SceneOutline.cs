namespace Pfmvg.Pretraining.Scenes;

/// <summary>An object's outline as an approximate signed distance in pixels, negative inside.</summary>
internal readonly struct SceneOutline
{
    private readonly SceneShape _shape;
    private readonly int _letter;
    private readonly float _a, _b, _least, _stroke, _period, _phase1, _phase2;

    public SceneOutline(SceneObject item)
    {
        var random = new CounterRandom(item.Key, "outline");
        (_shape, _letter, (_a, _b)) = (item.Shape, item.Letter, item.HalfExtent);
        _least = Math.Min(_a, _b);
        _stroke = Math.Max(1.1f, _least * (0.14f + 0.12f * (float)random.NextDouble()));
        _period = Math.Max(4.5f, 2 * _b / (2.2f + 2 * (float)random.NextDouble()));
        _phase1 = (float)(2 * Math.PI * random.NextDouble());
        _phase2 = (float)(2 * Math.PI * random.NextDouble());
    }

    /// <summary>Distance at (u, v), in pixels from the centre along the object's own axes.</summary>
    public float Distance(float u, float v)
    {
        switch (_shape)
        {
            case SceneShape.Disc: return Ellipse(u, v);
            case SceneShape.Ring: return Math.Abs(Ellipse(u, v) + _stroke) - _stroke;
            case SceneShape.Block or SceneShape.Bar: return Rectangle(u, v);
            case SceneShape.Frame: return Math.Abs(Rectangle(u, v) + _stroke) - _stroke;
            case SceneShape.Triangle: return Math.Max(v - _b, (Math.Abs(u) / _a - (v + _b) / (2 * _b)) * _least * 0.8f);
            case SceneShape.Diamond: return (Math.Abs(u) / _a + Math.Abs(v) / _b - 1) * _least * 0.7f;
            case SceneShape.Cross:
                return Math.Min(Math.Max(Math.Abs(u) - _a, Math.Abs(v) - 1.3f * _stroke),
                    Math.Max(Math.Abs(u) - 1.3f * _stroke, Math.Abs(v) - _b));
            case SceneShape.Wedge: return Math.Max(Math.Max(-u - _a, v - _b), (u / _a - v / _b) * _least * 0.7f);
            case SceneShape.Crescent: return Math.Max(Ellipse(u, v), -Ellipse(u - 0.55f * _a, v * 0.9f));
            case SceneShape.Star: return MathF.Sqrt(u * u + v * v) - _a * (0.72f + 0.28f * MathF.Cos(5 * MathF.Atan2(u, -v)));
            case SceneShape.Blob or SceneShape.Cloud:
                var angle = MathF.Atan2(v / _b, u / _a);
                var radius = 0.8f + 0.13f * MathF.Cos(2 * angle + _phase1) + 0.09f * MathF.Cos(3 * angle + _phase2);
                return (MathF.Sqrt(u * u / (_a * _a) + v * v / (_b * _b)) - radius) * _least;
            case SceneShape.Bands: return Math.Max(Rectangle(u, v), Lines(v + _b, _period, 0.27f));
            case SceneShape.Streaks:
                var fan = v / (0.35f + 0.65f * (u + _a) / (2 * _a));
                return Math.Max(Math.Max(Rectangle(u, v), Math.Abs(fan) - _b), Lines(fan + _b, _period, 0.16f));
            case SceneShape.Grid:
                return Math.Max(Rectangle(u, v), Math.Min(Lines(u + _a, _period * 0.9f, 0.17f), Lines(v + _b, _period * 0.9f, 0.17f)));
            case SceneShape.Dots:
                var (x, y) = (Cell(u + _a, _period), Cell(v + _b, _period));
                return Math.Max(Rectangle(u, v), MathF.Sqrt(x * x + y * y) - _period * 0.3f);
            case SceneShape.Arc: return Math.Max(Math.Abs(Ellipse(u, v) + _stroke) - _stroke, v);
            case SceneShape.Pool:
                var surface = -_b + 0.75f * _b * (1 - u * u / (_a * _a)); // concave: high at the walls
                var wall = Math.Max(Math.Abs(u) - _a, v - _b * MathF.Sqrt(Math.Max(0, 1 - MathF.Pow(Math.Abs(u) / _a, 4))));
                return Math.Max(wall, surface - v);
            default: return SceneLetters.Distance(_letter, u, v, _a - _stroke, _b - _stroke) - _stroke;
        }
    }

    private float Ellipse(float u, float v) => (MathF.Sqrt(u * u / (_a * _a) + v * v / (_b * _b)) - 1) * _least;

    private float Rectangle(float u, float v) => Math.Max(Math.Abs(u) - _a, Math.Abs(v) - _b);

    private static float Lines(float x, float period, float share) => Math.Abs(Cell(x, period)) - period * share;

    /// <summary>Offset from the middle of the cell that x lies in.</summary>
    private static float Cell(float x, float period) => x - (MathF.Floor(x / period) + 0.5f) * period;
}
