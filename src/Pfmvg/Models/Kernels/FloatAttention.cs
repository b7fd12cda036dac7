using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// Attention with its gradients by <see cref="HeadAttention"/>, where products are computed here, in float32 whatever the type, rounded
/// once; bfloat16 by <see cref="Bf16HeadAttention"/> where there is a kernel. Autograd keeps q, k and v as they are. Letters: B rows,
/// H heads, T queries, K keys, D size of a head.
/// </summary>
internal static unsafe class FloatAttention
{
    /// <summary>By which products bfloat16 models attend, for the records of a run: the kernel is not in every libtorch.</summary>
    public static string OfBf16 => !Float32Products.Own ? "libtorch" : Bf16Kernel.IsSupported ? "bf16" : "float32";

    private const long Least = 1L << 22; // multiplications of the scores
    private const long Longest = 8192;   // keys: the scores of a block of queries, twice for every thread, are 6 MiB

    /// <summary>Whether it is computed here. Without a mask, that is.</summary>
    /// <param name="q">(B, H, T, D) on the CPU.</param>
    /// <param name="k">(B, H, K, D).</param>
    /// <param name="causal">Whether queries see the keys up to their own place alone.</param>
    public static bool Fits(Tensor q, Tensor k, bool causal) =>
        q.device_type == DeviceType.CPU && q.dtype is ScalarType.Float32 or ScalarType.BFloat16 && k.shape[2] <= Longest
        && (!causal || q.shape[2] == k.shape[2]) && q.numel() * k.shape[2] >= Least && Float32Products.Own;

    /// <summary>softmax(q k^T x scale) v as (B, H, T, D) in the type of q.</summary>
    /// <param name="q">(B, H, T, D).</param>
    /// <param name="k">(B, H, K, D).</param>
    /// <param name="v">(B, H, K, D).</param>
    /// <param name="scale">Null for one over the root of D.</param>
    /// <param name="causal">Whether queries see the keys up to their own place alone.</param>
    public static Tensor Attend(Tensor q, Tensor k, Tensor v, double? scale, bool causal) => Attend(q, k, v, scale, causal, wide: false);

    /// <summary>The same; wide is in float32 whatever the type.</summary>
    internal static Tensor Attend(Tensor q, Tensor k, Tensor v, double? scale, bool causal, bool wide)
    {
        using var scope = NewDisposeScope();
        var narrow = !wide && q.dtype == ScalarType.BFloat16 && q.shape[3] % 2 == 0 && Bf16Kernel.IsSupported;
        var form = new Form((float)(scale ?? 1 / Math.Sqrt(q.shape[3])), causal, narrow);
        var learns = is_grad_enabled() && (q.requires_grad || k.requires_grad || v.requires_grad);
        return (learns ? Differentiable.apply(q, k, v, form) : Forward(q, k, v, form).Mixed).MoveToOuterDisposeScope();
    }

    private static (Tensor Mixed, Tensor Sums) Forward(Tensor q, Tensor k, Tensor v, Form form)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var (mixed, sums) = (Like(q), empty([q.shape[0], q.shape[1], q.shape[2]], ScalarType.Float32));
        HeadRows from = new(q), keys = new(k), values = new(v), to = new(mixed);
        var logs = (float*)TensorMemory.Address(sums);
        var (attention, narrow, queries) = (form.OfHead(q, k), form.OfNarrowHead(q, k), q.shape[2]);
        ThreadTeam.Run(get_num_threads(), from.Count, head =>
        {
            if (form.Narrow)
            {
                narrow.Forward(from.Narrow(head), keys.Narrow(head), values.Narrow(head), to.Narrow(head), logs + head * queries);
                return;
            }

            using HeadRows.Head own = from.Read(head), key = keys.Read(head), value = values.Read(head), result = to.Write(head);
            attention.Forward(own.Matrix, key.Matrix, value.Matrix, result.Matrix, logs + head * queries);
        });
        GC.KeepAlive((from, keys, values, to));
        return (mixed.MoveToOuterDisposeScope(), sums.MoveToOuterDisposeScope());
    }

    private static (Tensor OfQ, Tensor OfK, Tensor OfV) Backward(Tensor q, Tensor k, Tensor v, Tensor sums, Tensor gradient, Form form)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var (ofQ, ofK, ofV) = (Like(q), Like(k), Like(v));
        HeadRows from = new(q), keys = new(k), values = new(v), above = new(gradient), toQ = new(ofQ), toK = new(ofK), toV = new(ofV);
        var logs = (float*)TensorMemory.Address(sums);
        var (attention, narrow, queries) = (form.OfHead(q, k), form.OfNarrowHead(q, k), q.shape[2]);
        ThreadTeam.Run(get_num_threads(), from.Count, head =>
        {
            if (form.Narrow)
            {
                narrow.Backward(from.Narrow(head), keys.Narrow(head), values.Narrow(head), logs + head * queries, above.Narrow(head),
                    toQ.Narrow(head), toK.Narrow(head), toV.Narrow(head));
                return;
            }

            using HeadRows.Head own = from.Read(head), key = keys.Read(head), value = values.Read(head), slope = above.Read(head);
            using HeadRows.Head sumQ = toQ.Write(head), sumK = toK.Write(head), sumV = toV.Write(head);
            attention.Backward(own.Matrix, key.Matrix, value.Matrix, logs + head * queries, slope.Matrix,
                sumQ.Matrix, sumK.Matrix, sumV.Matrix);
        });
        GC.KeepAlive((from, keys, values, above, toQ, toK, toV, sums));
        return (ofQ.MoveToOuterDisposeScope(), ofK.MoveToOuterDisposeScope(), ofV.MoveToOuterDisposeScope());
    }

    // With the heads of a position side by side, as the next projection takes them.
    private static Tensor Like(Tensor heads)
    {
        using var scope = NewDisposeScope();
        return empty([heads.shape[0], heads.shape[2], heads.shape[1], heads.shape[3]], heads.dtype).transpose(1, 2)
            .MoveToOuterDisposeScope();
    }

    private sealed record Form(float Scale, bool Causal, bool Narrow)
    {
        public Bf16HeadAttention OfNarrowHead(Tensor q, Tensor k) =>
            new((int)q.shape[2], (int)k.shape[2], (int)q.shape[3], Scale, Causal);

        public HeadAttention OfHead(Tensor q, Tensor k) => new((int)q.shape[2], (int)k.shape[2], (int)q.shape[3], Scale, Causal);
    }

    private sealed class Differentiable : autograd.SingleTensorFunction<Differentiable>
    {
        public override string Name => nameof(FloatAttention);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (q, k, v, form) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2], (Form)vars[3]);
            var (mixed, sums) = Forward(q, k, v, form);
            ctx.save_data(nameof(Form), form);
            ctx.save_for_backward([q, k, v, sums]);
            return mixed;
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            using var gradient = grad_output;
            var saved = HandedOver.Saved(ctx);
            var (ofQ, ofK, ofV) = Backward(saved[0], saved[1], saved[2], saved[3], gradient, (Form)ctx.get_data(nameof(Form)));
            return HandedOver.Keep(ofQ, ofK, ofV, null);
        }
    }
}
