using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tensors;

/// <summary>Small tensors that the host makes for a device, and what is picked by them.</summary>
internal static class HostTensors
{
    /// <summary>The rows of a tensor, in the order that is asked for. As index_select, which has no form for the meta device.</summary>
    public static Tensor Rows(this Tensor all, Tensor rows) => all[rows];

    /// <summary>
    /// A CPU tensor on a device; itself on the CPU. From ordinary memory a copy to a GPU waits until all work before it is done; from
    /// pinned memory it is queued behind that work.
    /// </summary>
    public static Tensor Send(this Tensor host, Device device)
    {
        if (device.type != DeviceType.CUDA) return host.to(device);
        using var pinned = host.pin_memory(); // libtorch keeps the memory until the copy is done
        return pinned.to(device, non_blocking: true);
    }
}
