import Glibc

/// Rotary position embeddings (https://arxiv.org/abs/2104.09864) with the scalings that configs carry:
/// linear, dynamic (NTK-aware), Llama 3.1's, and YaRN (https://arxiv.org/abs/2309.00071), as transformers 5
/// computes them.
///
/// Halves of a head are rotated against each other: element i with element i + headSize / 2.
struct RotaryEmbedding {
  /// Cosines and sines for the positions of a prompt: a row of headSize / 2 for each.
  struct Table: Sendable {
    var cosines: [Float]
    var sines: [Float]
  }

  private let headSize: Int
  private let base: Double
  /// Of the positions below `dynamicLimit`.
  private let frequencies: [Float]
  /// Multiplies cosines and sines.
  private let amplitude: Double
  /// Longer prompts have frequencies of their own, by `dynamicFactor`.
  private let dynamicLimit: Int
  private let dynamicFactor: Double

  /// Reads `rope_parameters`, or `rope_scaling` and `rope_theta`, of a config.
  init(_ config: ConfigReader, headSize: Int) throws {
    self.headSize = headSize
    let key = config.value("rope_scaling")?.objectValue?.isEmpty == false ? "rope_scaling" : "rope_parameters"
    if let value = config.value(key), value.objectValue == nil {
      throw config.bad(key, expected: "an object")
    }
    let settings = ConfigReader(
      json: config.value(key) ?? .object([:]), model: config.model, prefix: "\(key).")
    for layerType in ["full_attention", "sliding_attention"] where settings.has(layerType) {
      throw settings.bad(layerType, expected: "one set of parameters for all layers")
    }
    for reader in [config, settings] {
      let factor = try reader.number("partial_rotary_factor")
      if let factor, factor != 1 { throw reader.bad("partial_rotary_factor", expected: "1") }
    }
    let base = try settings.number("rope_theta") ?? config.number("rope_theta") ?? 10_000
    self.base = base
    let plain = Self.frequencies(base: base, headSize: headSize)
    var amplitude = 1.0
    var (dynamicLimit, dynamicFactor) = (Int.max, 1.0)

    let typeKey = settings.value("rope_type") == nil ? "type" : "rope_type"
    switch try settings.string(typeKey) ?? "default" {
    case "default": frequencies = plain
    case "linear":
      let factor = Float(try settings.requiredNumber("factor"))
      frequencies = plain.map { $0 / factor }
    case "dynamic":
      frequencies = plain
      dynamicFactor = try settings.requiredNumber("factor")
      dynamicLimit = try config.requiredPositions("max_position_embeddings")
    case "llama3":
      frequencies = try Self.llama3(plain, settings, trained: Self.trainedLength(config, settings))
    case "yarn":
      let yarn = try YarnScaling(config, settings, trained: Self.trainedLength(config, settings))
      frequencies = yarn.scale(base: base, headSize: headSize)
      amplitude = yarn.amplitude
    default:
      throw settings.bad(typeKey, expected: "default, linear, dynamic, llama3 or yarn")
    }
    self.amplitude = amplitude
    self.dynamicLimit = dynamicLimit
    self.dynamicFactor = dynamicFactor
  }

  /// Whether a prompt of this length has a table of its own, and not the beginning of a longer one's.
  func needsOwnTable(length: Int) -> Bool { length > dynamicLimit }

  /// The table of the positions 0 to `length` - 1.
  func table(length: Int) -> Table {
    var frequencies = frequencies
    if needsOwnTable(length: length) {
      let stretch = dynamicFactor * Double(length) / Double(dynamicLimit) - (dynamicFactor - 1)
      let exponent = Double(headSize) / Double(headSize - 2)
      frequencies = Self.frequencies(base: base * pow(stretch, exponent), headSize: headSize)
    }
    let half = headSize / 2
    var table = Table(
      cosines: Array(repeating: 0, count: length * half), sines: Array(repeating: 0, count: length * half))
    for position in 0..<length {
      for index in 0..<half {
        // The product is rounded to float32, as the reference rounds it.
        let angle = Double(Float(position) * frequencies[index])
        table.cosines[position * half + index] = Float(cos(angle) * amplitude)
        table.sines[position * half + index] = Float(sin(angle) * amplitude)
      }
    }
    return table
  }

  // MARK: Frequencies

  static func frequencies(base: Double, headSize: Int) -> [Float] {
    (0..<headSize / 2).map { Float(1 / pow(base, Double(2 * $0) / Double(headSize))) }
  }

  /// The positions that the model saw in training, before its context was stretched.
  private static func trainedLength(_ config: ConfigReader, _ settings: ConfigReader) throws -> Double {
    Double(
      try config.positions("original_max_position_embeddings")
        ?? settings.positions("original_max_position_embeddings")
        ?? config.requiredPositions("max_position_embeddings"))
  }

  /// Long wavelengths are stretched by a factor, short ones are kept, and those between are mixed.
  private static func llama3(_ plain: [Float], _ settings: ConfigReader, trained: Double) throws -> [Float] {
    let factor = try settings.requiredNumber("factor")
    let low = try settings.requiredNumber("low_freq_factor")
    let high = try settings.requiredNumber("high_freq_factor")
    return plain.map { frequency in
      let frequency = Double(frequency)
      let wavelength = 2 * Double.pi / frequency
      if wavelength > trained / low { return Float(frequency / factor) }
      if wavelength < trained / high { return Float(frequency) }
      let share = (trained / wavelength - low) / (high - low)
      return Float((1 - share) * frequency / factor + share * frequency)
    }
  }
}

/// YaRN: dimensions that turn often in the trained length keep their frequencies, those that turn seldom
/// are interpolated, and a ramp lies between.
private struct YarnScaling {
  let factor: Double
  let amplitude: Double
  private let trained: Double
  private let fastTurns: Double
  private let slowTurns: Double
  private let rounds: Bool

  init(_ config: ConfigReader, _ settings: ConfigReader, trained: Double) throws {
    self.trained = trained
    factor =
      try settings.number("factor") ?? Double(config.requiredPositions("max_position_embeddings")) / trained
    fastTurns = try settings.number("beta_fast") ?? 32
    slowTurns = try settings.number("beta_slow") ?? 1
    rounds = try settings.flag("truncate") ?? true
    if let given = try settings.number("attention_factor") {
      amplitude = given
    } else if let scale = try settings.number("mscale"), let all = try settings.number("mscale_all_dim") {
      amplitude = Self.amplitude(factor, scale) / Self.amplitude(factor, all)
    } else {
      amplitude = Self.amplitude(factor, 1)
    }
  }

  private static func amplitude(_ factor: Double, _ scale: Double) -> Double {
    factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1
  }

  func scale(base: Double, headSize: Int) -> [Float] {
    let size = Double(headSize)
    func dimension(turns: Double) -> Double {
      size * log(trained / (turns * 2 * .pi)) / (2 * log(base))
    }
    var (low, high) = (dimension(turns: fastTurns), dimension(turns: slowTurns))
    if rounds { (low, high) = (low.rounded(.down), high.rounded(.up)) }
    (low, high) = (max(low, 0), min(high, size - 1))
    if low == high { high += 0.001 }
    return (0..<headSize / 2).map { index in
      let frequency = 1 / pow(base, Double(2 * index) / size)
      let interpolated = min(max((Double(index) - low) / (high - low), 0), 1)
      return Float(frequency / factor * interpolated + frequency * (1 - interpolated))
    }
  }
}
