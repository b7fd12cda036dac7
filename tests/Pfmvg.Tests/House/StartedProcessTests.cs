using System.Diagnostics;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.House;

public sealed class StartedProcessTests
{
    [Fact]
    public void What_a_test_leaves_running_ends_with_all_that_it_started()
    {
        int child;
        using (var process = StartedProcess.Heard("sh", "-c", "sleep 600 & echo $!; wait"))
            child = int.Parse(process.StandardOutput.ReadLine()!, System.Globalization.CultureInfo.InvariantCulture);
        Assert.True(SpinWait.SpinUntil(() => !IsAlive(child), TimeSpan.FromSeconds(30)));
    }

    [Theory]
    [InlineData("HUP"), InlineData("INT"), InlineData("USR1"), InlineData("TERM")]
    public void A_signal_that_was_ignored_has_its_effect_again(string signal)
    {
        // The same words under a shell that ignores the signal, as nohup and scripts in the background do, and without.
        using var process = StartedProcess.Heard("sh", "-c", $"trap '' {signal}; env --default-signal={signal} sh -c 'kill -{signal} $$; "
            + "echo outlived'; kill -9 $$");
        Assert.DoesNotContain("outlived", process.StandardOutput.ReadToEnd(), StringComparison.Ordinal);
        using var direct = StartedProcess.Heard("sh", "-c", $"kill -{signal} $$; echo outlived");
        Assert.DoesNotContain("outlived", direct.StandardOutput.ReadToEnd(), StringComparison.Ordinal);
    }

    private static bool IsAlive(int id)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            return !process.HasExited && File.ReadAllText($"/proc/{id}/stat").Split(' ')[2] != "Z";
        }
        catch (Exception gone) when (gone is ArgumentException or IOException or InvalidOperationException)
        {
            return false;
        }
    }
}
