using System.Buffers;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Weights;

/// <summary>A tensor and where its elements lie.</summary>
/// <param name="Info">Name, type and shape.</param>
/// <param name="Source">The storage, which other tensors may share.</param>
/// <param name="Start">First byte of the tensor's first element in the storage.</param>
/// <param name="Strides">Elements between neighbours per dimension; null when the elements lie in row-major order without gaps.</param>
internal sealed unsafe record StoredTensor(TensorInfo Info, ByteSource Source, long Start, long[]? Strides)
{
    private const int ConvertedAtOnce = 1 << 18; // bytes that stay in a core's cache between the read and the conversion

    /// <summary>The elements in new, contiguous memory.</summary>
    public Tensor Read(string path)
    {
        using var scope = NewDisposeScope();
        var covered = Info.Elements == 0 || Strides is null
            ? Info.Elements
            : 1 + Info.Shape.Zip(Strides, (size, stride) => (size - 1) * stride).Sum();
        var run = empty(covered, Info.Type);
        Source.CopyTo(Start, TensorMemory.Address(run), covered * TensorTypes.Size(Info.Type));
        if (Info.Type == ScalarType.Bool) RefuseInvalidBooleans(run, path);
        var tensor = Strides is null ? run.view(Info.Shape) : run.as_strided(Info.Shape, Strides).contiguous();
        return tensor.MoveToOuterDisposeScope();
    }

    /// <summary>Reads into a tensor of the same shape; see <see cref="ITensorFile.ReadInto"/>.</summary>
    public long? ReadInto(Tensor target, string path)
    {
        RequireShape(target);
        var direct = Info.Type == target.dtype && Info.Type != ScalarType.Bool;
        var inPlace = Source is FileBytes && Strides is null && target.device_type == DeviceType.CPU && target.is_contiguous()
            && (direct || FloatBlocks.CanConvert(Info.Type, target.dtype));
        if (inPlace) return ReadInPlace((FileBytes)Source, target, direct);

        using var scope = NewDisposeScope();
        return Take(Read(path), staged => target.detach().copy_(staged));
    }

    /// <summary>Gives a tensor of the same shape its values; see <see cref="ITensorFile.MapInto"/>.</summary>
    public long? MapInto(Tensor target, string path)
    {
        RequireShape(target);
        var onCpu = target.device_type == DeviceType.CPU;
        var asStored = Info.Type == target.dtype && Info.Type != ScalarType.Bool && Strides is null && Info.Elements > 0;
        using var scope = NewDisposeScope();
        if (Source is not FileBytes file || !(asStored || !onCpu) || file.Map(Info.Type, Start, Info.Elements) is not { } elements)
            return ReadInto(target, path);
        return Take(elements.view(Info.Shape), mapped => _ = onCpu ? target.set_(mapped) : target.detach().copy_(mapped));
    }

    private void RequireShape(Tensor target)
    {
        if (!target.shape.AsSpan().SequenceEqual(Info.Shape))
            throw new ArgumentException($"{Info.Name} is {Info.ShapeText}, the target is {TensorInfo.ShapeToText(target.shape)}.",
                nameof(target));
    }

    private long? Take(Tensor values, Action<Tensor> take)
    {
        using var quiet = no_grad();
        var first = TensorMemory.Address(values);
        var notFinite = new FirstIndex();
        Chunks.ForEach(Info.Bytes, (at, size) => Check(new ReadOnlySpan<byte>(first + at, size), at, notFinite));
        take(values);
        GC.KeepAlive(values);
        return notFinite.Value;
    }

    private long? ReadInPlace(FileBytes source, Tensor target, bool direct)
    {
        var memory = TensorMemory.Address(target);
        var (width, targetWidth) = (TensorTypes.Size(Info.Type), TensorTypes.Size(target.dtype));
        var targetType = target.dtype;
        var notFinite = new FirstIndex();
        HugePages.Ask(memory, Info.Elements * targetWidth);
        Chunks.ForEach(Info.Bytes, (at, size) =>
        {
            if (direct)
            {
                var place = new Span<byte>(memory + at, size);
                source.Read(Start + at, place);
                Check(place, at, notFinite);
                return;
            }

            var buffer = ArrayPool<byte>.Shared.Rent(Math.Min(size, ConvertedAtOnce));
            for (var done = 0; done < size; done += ConvertedAtOnce)
            {
                var stored = buffer.AsSpan(0, Math.Min(ConvertedAtOnce, size - done));
                source.Read(Start + at + done, stored);
                Check(stored, at + done, notFinite);
                var (index, count) = ((at + done) / width, stored.Length / width);
                FloatBlocks.Convert(stored, Info.Type, new Span<byte>(memory + index * targetWidth, count * targetWidth), targetType);
            }

            ArrayPool<byte>.Shared.Return(buffer);
        });
        GC.KeepAlive(target);
        return notFinite.Value;
    }

    private void Check(ReadOnlySpan<byte> values, long at, FirstIndex notFinite)
    {
        if (FloatBlocks.FirstNotFinite(values, Info.Type) is { } index) notFinite.Offer(at / TensorTypes.Size(Info.Type) + index);
    }

    // For libtorch a boolean that is neither 0 nor 1 is undefined behaviour.
    private void RefuseInvalidBooleans(Tensor run, string path)
    {
        var first = TensorMemory.Address(run);
        Chunks.ForEach(run.numel(), (at, size) =>
        {
            if (new ReadOnlySpan<byte>(first + at, size).ContainsAnyExceptInRange<byte>(0, 1))
                throw Refusal.ForFile(path, $"{Refusal.Show(Info.Name)} is a tensor of truth values but holds other bytes than 0 and 1");
        });
        GC.KeepAlive(run);
    }

    /// <summary>The smallest index that any thread offered.</summary>
    private sealed class FirstIndex
    {
        private readonly Lock _gate = new();
        private long _value = long.MaxValue;

        public long? Value => _value == long.MaxValue ? null : _value;

        public void Offer(long index)
        {
            lock (_gate) _value = Math.Min(_value, index);
        }
    }
}
