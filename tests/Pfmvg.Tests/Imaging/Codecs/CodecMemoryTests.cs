using Pfmvg.Imaging.Codecs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Imaging.Codecs;

/// <summary>What the libraries take, they give back. The whole process is measured, so nothing may run beside it.</summary>
[Collection(nameof(Alone))]
public class CodecMemoryTests
{
    [Fact]
    public void Decoding_keeps_no_memory_also_when_it_fails()
    {
        foreach (var file in new[] { "syntax/a-jpeg-ls-80.dcm", "syntax/a-j2k-90.dcm", "syntax/a-htj2k-201.dcm" })
        {
            var stream = CodecStreams.Of(file);
            var damaged = stream.ToArray();
            damaged.AsSpan(damaged.Length / 2, 400).Fill(0xFE);
            DecodeBoth(50);
            var before = Resident();
            DecodeBoth(400);
            Assert.InRange(Resident() - before, long.MinValue, 16 << 20); // leaked pictures would be 400 times 70 KB and more

            void DecodeBoth(int times)
            {
                for (var i = 0; i < times; i++)
                {
                    CodecStreams.Decode(stream, file.Contains("ls", StringComparison.Ordinal));
                    try
                    {
                        CodecStreams.Decode(damaged, file.Contains("ls", StringComparison.Ordinal));
                    }
                    catch (StreamException)
                    {
                        // The library may also find nothing wrong.
                    }
                }
            }
        }

        static long Resident()
        {
            GC.Collect();
            return Environment.WorkingSet;
        }
    }
}
