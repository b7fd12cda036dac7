namespace Pfmvg.Phantoms;

internal static class RandomExtensions
{
    extension(CounterRandom random)
    {
        /// <summary>Uniform between two numbers.</summary>
        public float Range(float low, float high) => low + (high - low) * (float)random.NextDouble();

        public bool Chance(double probability) => random.NextDouble() < probability;

        public T Pick<T>(params ReadOnlySpan<T> choices) => choices[random.Next(choices.Length)];

        /// <summary>An index with probability proportional to its weight; -1 when all weights are 0.</summary>
        public int Weighted(ReadOnlySpan<double> weights)
        {
            var total = 0.0;
            foreach (var weight in weights) total += weight;
            var place = random.NextDouble() * total;
            for (var i = 0; i < weights.Length; i++)
            {
                place -= weights[i];
                if (place < 0) return i;
            }

            return -1;
        }
    }
}
