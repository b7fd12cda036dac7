using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// Attention with its gradients by <see cref="HeadAttention"/>, where products are computed here; in float32 whatever the type, rounded
/// once; autograd keeps q, k and v as they are. Letters: B rows, H heads, T queries, K keys, D size of a head.
/// </summary>
internal static unsafe class FloatAttention
{
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
    public static Tensor Attend(Tensor q, Tensor k, Tensor v, double? scale, bool causal)
    {
        using var scope = NewDisposeScope();
        var form = new Form((float)(scale ?? 1 / Math.Sqrt(q.shape[3])), causal);
        var learns = is_grad_enabled() && (q.requires_grad || k.requires_grad || v.requires_grad);
        return (learns ? Differentiable.apply(q, k, v, form) : Forward(q, k, v, form).Mixed).MoveToOuterDisposeScope();
    }

    private static (Tensor Mixed, Tensor Sums) Forward(Tensor q, Tensor k, Tensor v, Form form)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var (batch, heads, queries, size) = (q.shape[0], q.shape[1], q.shape[2], q.shape[3]);
        var (mixed, sums) = (Heads(q), empty([batch, heads, queries], ScalarType.Float32));
        Place from = new(q), keys = new(k), values = new(v), to = new(mixed);
        var logs = (float*)TensorMemory.Address(sums);
        var attention = form.OfHead(q, k);
        ThreadTeam.Run(get_num_threads(), batch * heads, head =>
            attention.Forward(from.Of(head), keys.Of(head), values.Of(head), to.Of(head), logs + head * queries));
        GC.KeepAlive((from, keys, values, to));
        return (mixed.to(q.dtype).MoveToOuterDisposeScope(), sums.MoveToOuterDisposeScope());
    }

    private static (Tensor OfQ, Tensor OfK, Tensor OfV) Backward(Tensor q, Tensor k, Tensor v, Tensor sums, Tensor gradient, Form form)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var (ofQ, ofK, ofV) = (Heads(q).zero_(), Heads(k).zero_(), Heads(v).zero_());
        Place from = new(q), keys = new(k), values = new(v), above = new(gradient), toQ = new(ofQ), toK = new(ofK), toV = new(ofV);
        var logs = (float*)TensorMemory.Address(sums);
        var attention = form.OfHead(q, k);
        ThreadTeam.Run(get_num_threads(), q.shape[0] * q.shape[1], head => attention.Backward(from.Of(head), keys.Of(head), values.Of(head),
            logs + head * q.shape[2], above.Of(head), toQ.Of(head), toK.Of(head), toV.Of(head)));
        GC.KeepAlive((from, keys, values, above, toQ, toK, toV, sums));
        return (ofQ.to(q.dtype).MoveToOuterDisposeScope(), ofK.to(q.dtype).MoveToOuterDisposeScope(),
            ofV.to(q.dtype).MoveToOuterDisposeScope());
    }

    // With the heads of a position side by side, as the next projection takes them.
    private static Tensor Heads(Tensor like)
    {
        using var scope = NewDisposeScope();
        return empty([like.shape[0], like.shape[2], like.shape[1], like.shape[3]], ScalarType.Float32).transpose(1, 2)
            .MoveToOuterDisposeScope();
    }

    private sealed record Form(float Scale, bool Causal)
    {
        public HeadAttention OfHead(Tensor q, Tensor k) => new((int)q.shape[2], (int)k.shape[2], (int)q.shape[3], Scale, Causal);
    }

    /// <summary>Where the heads of a tensor lie in float32, whose last dimension has no gaps.</summary>
    private sealed class Place
    {
        private readonly Tensor _plain;
        private readonly float* _first;
        private readonly long _heads;
        private readonly long[] _stride;

        public Place(Tensor tensor)
        {
            _plain = tensor.detach().to(ScalarType.Float32);
            if (_plain.stride()[3] != 1) _plain = _plain.contiguous();
            (_heads, _stride) = (_plain.shape[1], _plain.stride());
            fixed (byte* first = _plain.narrow(0, 0, 1).narrow(1, 0, 1).narrow(2, 0, 1).bytes) _first = (float*)first;
        }

        public Strided Of(long head) =>
            new((nint)(_first + head / _heads * _stride[0] + head % _heads * _stride[1]), _stride[2], 1);
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
            var saved = ctx.get_saved_variables();
            HandedOver.Release();
            var (ofQ, ofK, ofV) = Backward(saved[0], saved[1], saved[2], saved[3], gradient, (Form)ctx.get_data(nameof(Form)));
            return HandedOver.Keep(ofQ, ofK, ofV, null);
        }
    }
}
