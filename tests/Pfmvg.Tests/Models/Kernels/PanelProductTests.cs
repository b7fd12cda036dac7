using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Models.Kernels;
using Pfmvg.Tensors;
using Pfmvg.Tests.Support;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models.Kernels;

/// <summary>Float32 products of our own are those of double precision, and so are their gradients.</summary>
[Collection(nameof(Alone))]
public sealed unsafe class PanelProductTests
{
    private const double Float32Sum = 6e-8; // times the number of terms and the sum of their absolute values

    public static TheoryData<int, int, int> Sizes() => new()
    {
        { 0, 5, 3 }, { 1, 1, 1 }, { 12, 32, 256 }, { 13, 33, 257 }, { 5, 31, 7 }, { 97, 64, 0 }, { 25, 3, 700 }, { 400, 45, 67 },
        { 1550, 40, 19 },
    };

    [Theory, MemberData(nameof(Sizes))]
    public void A_product_is_that_of_double_precision_however_the_matrices_are_stored(int rows, int columns, int depth)
    {
        Skip();
        using var scope = NewDisposeScope();
        var generator = new Generator(1, CPU);
        var (a, b, c) = (randn([rows, depth], generator: generator), randn([columns, depth], generator: generator),
            randn([rows, columns + 3], generator: generator)); // the last columns of C belong to someone else
        var exact = a.to(float64).matmul(b.to(float64).t());
        var limit = a.to(float64).abs().matmul(b.to(float64).abs().t()).mul(Float32Sum * (depth + 1)).add(1e-6);
        foreach (var add in (bool[])[false, true])
            foreach (var left in Forms(a))
                foreach (var right in Forms(b))
                {
                    var expected = add ? exact.add(c.narrow(1, 0, columns).to(float64)) : exact;
                    var (one, two) = (Multiply(left, right, add, 1), Multiply(left, right, add, 2));
                    Assert.True(one.narrow(1, 0, columns).to(float64).sub(expected).abs().le(limit).all().item<bool>());
                    Assert.True(one.narrow(1, columns, 3).Same(c.narrow(1, columns, 3)));
                    Assert.True(one.Same(two));
                }

        Tensor Multiply(Tensor left, Tensor right, bool add, int threads)
        {
            var result = c.clone();
            PanelProduct.Multiply(
                rows, columns, depth, Place(left), Place(right), (float*)TensorMemory.Address(result), columns + 3, add, threads);
            return result;
        }

        // By rows, by columns, and with gaps both ways.
        static IEnumerable<Tensor> Forms(Tensor matrix) =>
            [matrix, matrix.t().contiguous().t(), matrix.unsqueeze(2).expand(-1, -1, 2).contiguous().select(2, 1)];

        static Strided Place(Tensor matrix)
        {
            if (matrix.numel() == 0) return default;
            fixed (byte* first = matrix.narrow(0, 0, 1).narrow(1, 0, 1).bytes)
                return new Strided((nint)first, matrix.stride()[0], matrix.stride()[1]);
        }
    }

    [Fact]
    public void A_row_has_the_same_bits_alone_and_among_others()
    {
        Skip();
        using var scope = NewDisposeScope();
        var generator = new Generator(2, CPU);
        var (x, weight) = (randn([50, 300], generator: generator), randn([70, 300], generator: generator));
        var all = FloatProduct.Multiply(x, weight);
        for (var row = 0; row < 50; row += 7) Assert.True(FloatProduct.Multiply(x.narrow(0, row, 1), weight).Same(all.narrow(0, row, 1)));
    }

    public static TheoryData<bool, bool, bool> Learning() => [.. from x in (bool[])[false, true] from weight in (bool[])[false, true]
        from bias in (bool[])[false, true] where x || weight || bias select new TheoryDataRow<bool, bool, bool>(x, weight, bias)];

    [Theory, MemberData(nameof(Learning))]
    public void Gradients_are_those_of_the_exact_product(bool x, bool weight, bool bias)
    {
        Skip();
        using var scope = NewDisposeScope();
        var generator = new Generator(3, CPU);
        var input = randn([3, 29, 17], generator: generator).transpose(1, 2).requires_grad_(x); // (3, 17, 29), no row beside the next
        var matrix = randn([45, 29], generator: generator).requires_grad_(weight);
        var shift = randn([45], generator: generator).requires_grad_(bias);
        var above = randn([3, 45, 17], generator: generator).transpose(1, 2);
        var wide = new[] { input, matrix, shift }.Select(each => each.detach().to(float64).requires_grad_()).ToList();
        nn.functional.linear(wide[0], wide[1], wide[2]).backward([above.to(float64)]);
        FloatProduct.Own(input, matrix, shift).add_(above).backward([above]); // layers add to what they get
        foreach (var (own, exact, learns) in
            ((Tensor, Tensor, bool)[])[(input, wide[0], x), (matrix, wide[1], weight), (shift, wide[2], bias)])
        {
            if (!learns) Assert.True(own.grad is null);
            else Assert.InRange(own.grad!.to(float64).sub(exact.grad!).abs().max().item<double>(), 0, 1e-4);
        }

        var none = FloatProduct.Own(input.detach(), matrix.detach(), null);
        Assert.InRange(none.to(float64).sub(wide[0].matmul(wide[1].t())).abs().max().item<double>(), 0, 1e-4);
    }

    [Fact]
    public void A_tower_learns_from_a_batch_as_from_its_pictures_one_by_one()
    {
        using var scope = NewDisposeScope();
        var sizes = new GroundingConfig(
            new EvaConfig(112, 14, 64, 2, 4, 256), 4, new LlamaConfig(24, 16, 1, 2, 20), new LoraConfig(2, 4, 0, ["q_proj"]));
        using var model = ModelBuilder.Random(sizes, ScalarType.Float32, CPU, 1);
        model.TrainVision();
        var generator = new Generator(4, CPU);
        var (pictures, slope) = (randn([16, 3, 112, 112], generator: generator), randn([16, 256], generator: generator));
        model.EncodeImages(pictures).mul(slope).sum().backward(); // products of 17 million multiplications
        var together = Gradients();
        foreach (var picture in pictures.split(1)) model.EncodeImages(picture).mul(slope).sum().backward(); // of 1 million
        var alone = Gradients();
        Assert.NotEmpty(together);
        foreach (var (name, gradient) in alone)
            Fixtures.AssertClose(gradient, together[name], 1e-4 * gradient.abs().max().item<float>() + 1e-6, name);

        Dictionary<string, Tensor> Gradients()
        {
            var learnt = model.named_parameters().Where(one => one.parameter.grad is not null)
                .ToDictionary(one => one.name, one => one.parameter.grad!.clone());
            foreach (var (_, parameter) in model.named_parameters()) parameter.grad = null;
            return learnt;
        }
    }

    [Fact]
    public void The_processor_decides_and_the_variable_overrules_it()
    {
        Assert.True(Fast("AuthenticAMD"));
        Assert.False(Fast("GenuineIntel"));
        Assert.False(Float32Products.Choose("libtorch", () => true));
        Assert.True(Float32Products.Choose("", () => true));
        Assert.False(Float32Products.Choose(null, () => false));
        if (PanelProduct.IsSupported) Assert.True(Float32Products.Choose("own", () => false));
        else Assert.Contains("AVX-512", Assert.Throws<InputException>(() => Float32Products.Choose("own", () => true)).Message,
            StringComparison.Ordinal);
        Assert.Contains("PFMVG_FLOAT32_PRODUCTS is 'fast'",
            Assert.Throws<InputException>(() => Float32Products.Choose("fast", () => true)).Message, StringComparison.Ordinal);

        static bool Fast(string vendor) => Float32Products.Fast((_, _) => (7, Part(vendor, 0), Part(vendor, 8), Part(vendor, 4)));
        static int Part(string vendor, int at) => BitConverter.ToInt32(System.Text.Encoding.ASCII.GetBytes(vendor), at);
    }

    private static void Skip() => Assert.SkipUnless(PanelProduct.IsSupported, "This processor has no AVX-512.");
}
