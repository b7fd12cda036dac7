using System.Buffers;
using System.Buffers.Binary;
using System.Collections;
using System.Text;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Weights.Torch;

/// <summary>Writes plain data and tensors as the pickle (protocol 2) inside a file of torch.save.</summary>
internal sealed class PickleWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();
    private readonly List<(TensorInfo Info, Tensor? Value)> _tensors = [];

    /// <param name="content">See <see cref="TorchPickle"/>; a <see cref="TensorInfo"/> stands for a tensor that is fetched later.</param>
    public PickleWriter(IDictionary content)
    {
        _bytes.Write<byte>([0x80, 2]);
        Write(content);
        Operation('.');
    }

    /// <summary>The pickle.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.WrittenSpan;

    /// <summary>The tensors met; a tensor's position is its storage's key. The value is null where only a plan was given.</summary>
    public IReadOnlyList<(TensorInfo Info, Tensor? Value)> Tensors => _tensors;

    private void Write(object? value)
    {
        switch (value)
        {
            case null: Operation('N'); break;
            case bool truth: _bytes.Write<byte>([truth ? (byte)0x88 : (byte)0x89]); break;
            case int number: WriteInteger(number); break;
            case long number: WriteInteger(number); break;
            case float number: WriteDouble(number); break;
            case double number: WriteDouble(number); break;
            case string text: WriteText(text); break;
            case Tensor tensor: WriteTensor(TensorInfo.Describe($"number {_tensors.Count}", tensor), tensor); break;
            case TensorInfo planned: WriteTensor(planned, null); break;
            case IDictionary dictionary: WriteDictionary(dictionary); break;
            case object?[] tuple: WriteMarked('t', tuple); break;
            case IList list:
                Operation(']');
                WriteMarked('e', list);
                break;
            default: throw new ArgumentException($"A {value.GetType()} cannot be written into a checkpoint.", nameof(value));
        }
    }

    private void WriteDictionary(IDictionary dictionary)
    {
        Operation('}');
        Operation('(');
        foreach (DictionaryEntry entry in dictionary)
        {
            Write(entry.Key);
            Write(entry.Value);
        }

        Operation('u');
    }

    private void WriteMarked(char operation, IEnumerable items)
    {
        Operation('(');
        foreach (var item in items) Write(item);
        Operation(operation);
    }

    // torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)
    private void WriteTensor(TensorInfo info, Tensor? value)
    {
        WriteName("torch._utils", "_rebuild_tensor_v2");
        Operation('(');
        Operation('(');
        WriteText("storage");
        WriteName("torch", TensorTypes.StorageName(info.Type));
        WriteText($"{_tensors.Count}");
        WriteText("cpu");
        WriteInteger(info.Elements);
        Operation('t');
        Operation('Q');
        WriteInteger(0);
        WriteMarked('t', info.Shape);
        WriteMarked('t', RowMajorStrides(info.Shape));
        Write(false);
        WriteName("collections", "OrderedDict");
        Operation(')');
        Operation('R');
        Operation('t');
        Operation('R');
        _tensors.Add((info, value));
    }

    private static long[] RowMajorStrides(long[] shape)
    {
        var strides = new long[shape.Length];
        long stride = 1;
        for (var dimension = shape.Length - 1; dimension >= 0; dimension--)
        {
            strides[dimension] = stride;
            stride *= Math.Max(shape[dimension], 1);
        }

        return strides;
    }

    private void WriteInteger(long number)
    {
        Span<byte> bytes = stackalloc byte[8];
        if (number is >= int.MinValue and <= int.MaxValue)
        {
            Operation('J');
            BinaryPrimitives.WriteInt32LittleEndian(bytes, (int)number);
            _bytes.Write(bytes[..4]);
            return;
        }

        _bytes.Write<byte>([0x8a, 8]);
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        _bytes.Write(bytes);
    }

    private void WriteDouble(double number)
    {
        Operation('G');
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteDoubleBigEndian(bytes, number);
        _bytes.Write(bytes);
    }

    private void WriteText(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        Operation('X');
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
        _bytes.Write(length);
        _bytes.Write(utf8);
    }

    private void WriteName(string module, string name) => _bytes.Write(Encoding.ASCII.GetBytes($"c{module}\n{name}\n"));

    private void Operation(char operation) => _bytes.Write<byte>([(byte)operation]);
}
