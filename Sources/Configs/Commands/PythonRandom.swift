/// The random numbers of Python's module `random` after `random.seed(number)`, so that a choice made with a seed is
/// the one that a program in Python makes with it.
///
/// MT19937: M. Matsumoto and T. Nishimura, "Mersenne Twister: A 623-dimensionally equidistributed uniform pseudorandom
/// number generator", 1998; seeded by `init_by_array` of their revision of 2002. How numbers are drawn from it is that of
/// Python 3.2 and later.
struct PythonRandom {
  private var state = [UInt32](repeating: 0, count: 624)
  private var position = 624

  init(seed: UInt64) {
    let key = seed >> 32 == 0 ? [UInt32(seed)] : [UInt32(truncatingIfNeeded: seed), UInt32(seed >> 32)]
    state[0] = 19_650_218
    for index in 1..<624 {
      state[index] = 1_812_433_253 &* (state[index - 1] ^ state[index - 1] >> 30) &+ UInt32(index)
    }
    var index = 1
    func mixed(_ state: [UInt32], _ factor: UInt32) -> UInt32 {
      state[index] ^ (state[index - 1] ^ state[index - 1] >> 30) &* factor
    }
    func advance(_ state: inout [UInt32]) {
      index += 1
      if index == 624 {
        state[0] = state[623]
        index = 1
      }
    }
    for step in 0..<624 {
      let place = step % key.count
      state[index] = mixed(state, 1_664_525) &+ key[place] &+ UInt32(place)
      advance(&state)
    }
    for _ in 1..<624 {
      state[index] = mixed(state, 1_566_083_941) &- UInt32(index)
      advance(&state)
    }
    state[0] = 0x8000_0000
  }

  /// 32 random bits.
  private mutating func bits() -> UInt32 {
    if position == 624 {
      for index in 0..<624 {
        let word = state[index] & 0x8000_0000 | state[(index + 1) % 624] & 0x7fff_ffff
        state[index] = state[(index + 397) % 624] ^ word >> 1 ^ (word & 1 == 0 ? 0 : 0x9908_b0df)
      }
      position = 0
    }
    var word = state[position]
    position += 1
    word ^= word >> 11
    word ^= word << 7 & 0x9d2c_5680
    word ^= word << 15 & 0xefc6_0000
    return word ^ word >> 18
  }

  /// `random.random()`: from 0 up to 1, in steps of 2^-53.
  mutating func unit() -> Double {
    let (high, low) = (bits() >> 5, bits() >> 6)
    return (Double(high) * 67_108_864 + Double(low)) / 9_007_199_254_740_992
  }

  /// `random.randrange(count)`.
  mutating func below(_ count: Int) -> Int {
    let width = Int.bitWidth - count.leadingZeroBitCount
    while true {
      let number = Int(bits() >> UInt32(32 - width))
      if number < count { return number }
    }
  }

  /// `random.choices(range(weights.count), weights)[0]`. The sum of the weights is above 0.
  mutating func choice(weights: [Double]) -> Int {
    var sums: [Double] = []
    for weight in weights { sums.append((sums.last ?? 0) + weight) }
    let number = unit() * sums[sums.count - 1]
    return sums.dropLast().firstIndex { number < $0 } ?? sums.count - 1
  }

  /// `random.shuffle(list)`.
  mutating func shuffle<Element>(_ list: inout [Element]) {
    for index in stride(from: list.count - 1, to: 0, by: -1) { list.swapAt(index, below(index + 1)) }
  }
}
