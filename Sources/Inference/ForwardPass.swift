import Merging
import Tensors

/// Runs prompts through a decoder: any lazy model of a supported architecture, whose weights are read matrix
/// by matrix, used for all prompts, and let go.
///
/// Arithmetic is float32. Prompts stand one after the other without padding: products take all their
/// positions at once, attention goes prompt by prompt. Results are the same bits for every number of workers.
package final class ForwardPass {
  /// How the positions of a prompt become one row.
  package enum Pooling: String, Sendable, CaseIterable {
    /// The last position's.
    case last
    /// The mean of all.
    case mean
  }

  /// Rows of a unit of work that goes row by row.
  private static let rowsOfUnit = 16
  /// Rows of the output layer that are in memory at once.
  private static let headRows = 8192

  private let model: any LazyModel
  private let evaluator: Evaluator
  private let config: DecoderConfig
  private let tensors: DecoderTensors
  private let weights: WeightReader
  private let operation: String
  private let activationBytes: Int
  private let vocabulary: Int

  // Weights that are in memory.
  private let matrix = FloatBuffer()
  private let vector = FloatBuffer()
  private let secondVector = FloatBuffer()

  // Activations: rows for the positions of all prompts that are run together.
  private let hidden = FloatBuffer()
  private let normed = FloatBuffer()
  private let queries = FloatBuffer()
  private let keys = FloatBuffer()
  private let values = FloatBuffer()
  private let gates = FloatBuffer()
  private let ups = FloatBuffer()
  private let cosines = FloatBuffer()
  private let sines = FloatBuffer()

  /// Told of the vectors that enter linear layers, before they do.
  private var observe:
    ((_ projections: [DecoderTensors.Projection], _ input: FloatBuffer, _ rows: Int) throws -> Void)?

  /// Checks that the model can be run: its architecture, settings and tensors. Reads no weights.
  ///
  /// - Parameters:
  ///   - operation: What the user asked for, for messages.
  ///   - activationBytes: What the activations of prompts that are run together may take; those of one prompt
  ///     alone may take more.
  /// - Throws: `InferenceError`, and what specifications of tensors throw.
  package init(
    model: any LazyModel, graph: ExpressionGraph, evaluator: Evaluator, operation: String = "hidden_states",
    activationBytes: Int = 256 << 20
  ) throws {
    guard let json = try model.config else { throw InferenceError.noConfig(model: model.label) }
    self.model = model
    self.evaluator = evaluator
    self.operation = operation
    self.activationBytes = activationBytes
    config = try DecoderConfig(json, model: model.label)
    tensors = DecoderTensors(config)
    weights = WeightReader(model: model, graph: graph, evaluator: evaluator, operation: operation)

    let table = try weights.shape(of: tensors.embedding)
    guard table.rank == 2, table.dimensions[1] == config.hiddenSize else {
      throw InferenceError.badShape(
        tensor: tensors.embedding, found: table,
        expected: Shape([table.dimensions.first ?? 0, config.hiddenSize]), model: model.label)
    }
    vocabulary = table.dimensions[0]
    for layer in 0..<config.layers {
      for parameter in tensors.layer(layer).parameters { try weights.check(parameter) }
    }
  }

  /// The number of layers.
  package var layerCount: Int { config.layers }
  /// The numbers in a position's state.
  package var hiddenSize: Int { config.hiddenSize }
  /// The rows of the token embedding.
  package var vocabularySize: Int { vocabulary }

  // MARK: Asking

  /// What enters each layer, from 0: a row of `hiddenSize` for each prompt, pooled over its positions. The
  /// first layer is entered by embeddings; what the last one gives is not computed.
  ///
  /// Prompts are lists of token ids. Throws `InferenceError` for an empty one and for ids without an
  /// embedding.
  package func hiddenStates(of prompts: [[Int]], pooling: Pooling) throws -> [[Float]] {
    try check(prompts)
    let rowCount = prompts.count * hiddenSize
    var states = [[Float]](repeating: [Float](repeating: 0, count: rowCount), count: config.layers)
    for batch in batches(prompts) {
      let positions = try begin(Array(prompts[batch]))
      for layer in 0..<config.layers {
        states[layer].withUnsafeMutableBufferPointer {
          pool(positions, pooling, into: $0.baseAddress! + batch.lowerBound * hiddenSize)
        }
        if layer + 1 < config.layers { try run(layer, positions, isLast: layer + 2 == config.layers) }
      }
    }
    return states
  }

  /// How likely each token of the vocabulary is to follow each prompt, as logits: a row of `vocabularySize`
  /// for each.
  ///
  /// The output layer is read in parts. Throws as `hiddenStates` does.
  package func nextTokenLogits(of prompts: [[Int]]) throws -> [Float] {
    try check(prompts)
    let head = try headName()
    try weights.check(tensors.finalNorm)
    var logits = [Float](repeating: 0, count: prompts.count * vocabulary)
    for batch in batches(prompts) {
      let positions = try begin(Array(prompts[batch]))
      for layer in 0..<config.layers { try run(layer, positions, isLast: layer + 1 == config.layers) }
      try weights.read(tensors.finalNorm, into: vector)
      for (row, prompt) in positions.enumerated() {
        RootMeanSquareNorm.apply(
          hidden.start + (prompt.upperBound - 1) * hiddenSize, vector.start, normed.start + row * hiddenSize,
          count: hiddenSize, epsilon: config.epsilon)
      }
      let result = FloatBuffer(count: batch.count * vocabulary)
      for first in stride(from: 0, to: vocabulary, by: Self.headRows) {
        let part = first..<min(first + Self.headRows, vocabulary)
        try weights.read(rows: part, of: head, into: matrix)
        let product = MatrixProduct(
          rows: batch.count, inner: hiddenSize, outputs: part.count, stride: vocabulary)
        try product.run(normed, matrix, into: result, at: first, on: evaluator, for: operation)
      }
      logits.withUnsafeMutableBufferPointer {
        ($0.baseAddress! + batch.lowerBound * vocabulary).update(
          from: result.start, count: batch.count * vocabulary)
      }
    }
    return logits
  }

  /// A statistic of what enters each linear layer of the layers when the model reads the prompts, over all their
  /// positions. Layer by layer, so that of the activations the residual stream alone is in memory for all prompts, and
  /// of the statistics one.
  ///
  /// Throws as `hiddenStates` does.
  package func inputStatistics(of prompts: [[Int]], _ statistic: InputStatistic) throws -> [InputTensor] {
    try check(prompts)
    let batches = batches(prompts).map { Array(prompts[$0]) }
    var states = try batches.map { batch in
      let positions = try begin(batch)
      return hidden.copy(count: positions.last!.upperBound * hiddenSize)
    }
    defer { observe = nil }
    var found: [InputTensor] = []
    for layer in 0..<config.layers {
      var sums: [(projections: [DecoderTensors.Projection], sums: InputSums)] = []
      observe = { [evaluator, operation] projections, input, rows in
        var own = sums.first { $0.projections[0].weight.name == projections[0].weight.name }?.sums
        if own == nil {
          own = InputSums(statistic, size: projections[0].inner)
          sums.append((projections, own!))
        }
        try own!.add(input, rows: rows, on: evaluator, for: operation)
      }
      for (number, batch) in batches.enumerated() {
        let positions = places(of: batch)
        makeRoom(for: positions)
        hidden.fill(from: states[number])
        try run(layer, positions, isLast: layer + 1 == config.layers)
        states[number] = hidden.copy(count: positions.last!.upperBound * hiddenSize)
      }
      for (projections, sums) in sums {
        let shape = statistic.shape(projections[0].inner)
        let scratch = try evaluator.makeScratch(shape.count * MemoryLayout<Float>.stride)
        try sums.write(to: scratch)
        found.append(
          InputTensor(
            names: try projections.map { try weights.ownName(of: $0.weight.name) },
            leaf: StoredLeaf(source: scratch, dtype: .f32, count: shape.count), shape: shape))
      }
    }
    return found
  }

  /// The output layer's name: the embedding's if they are one.
  private func headName() throws -> String {
    if model.architecture.tiesEmbeddings { return tensors.embedding }
    try weights.check(.init(name: tensors.head, shape: [vocabulary, hiddenSize]))
    return tensors.head
  }

  private func check(_ prompts: [[Int]]) throws {
    guard !prompts.isEmpty else { throw InferenceError.noPrompts }
    for (number, prompt) in prompts.enumerated() {
      guard !prompt.isEmpty else { throw InferenceError.emptyPrompt(number + 1) }
      if let position = prompt.firstIndex(where: { $0 < 0 || $0 >= vocabulary }) {
        throw InferenceError.badToken(
          prompt[position], prompt: number + 1, position: position + 1, vocabulary: vocabulary,
          model: model.label)
      }
    }
  }

  // MARK: Batches

  /// Numbers of activations for one position.
  private var activationsOfPosition: Int {
    let (queries, keys) = (config.heads * config.headSize, config.keyHeads * config.headSize)
    return 2 * hiddenSize + queries + 2 * keys + 2 * config.intermediateSize + config.headSize
  }

  /// Prompts that are run together, as ranges. By the prompts and the model alone.
  private func batches(_ prompts: [[Int]]) -> [Range<Int>] {
    let most = activationBytes / (activationsOfPosition * MemoryLayout<Float>.stride)
    var batches: [Range<Int>] = []
    var (first, positions) = (0, 0)
    for (number, prompt) in prompts.enumerated() {
      if number > first, positions + prompt.count > most {
        batches.append(first..<number)
        (first, positions) = (number, 0)
      }
      positions += prompt.count
    }
    return batches + [first..<prompts.count]
  }

  /// The rows of each prompt.
  private func places(of prompts: [[Int]]) -> [Range<Int>] {
    var positions: [Range<Int>] = []
    for prompt in prompts {
      let start = positions.last?.upperBound ?? 0
      positions.append(start..<start + prompt.count)
    }
    return positions
  }

  /// Puts the embeddings of prompts into `hidden`; gives the rows of each.
  private func begin(_ prompts: [[Int]]) throws -> [Range<Int>] {
    let positions = places(of: prompts)
    makeRoom(for: positions)
    try weights.prepare(tensors.layer(0).parameters)
    try weights.read(rows: prompts.flatMap { $0 }, of: tensors.embedding, into: hidden)
    return positions
  }

  /// Makes room for activations, and finds how positions turn heads.
  private func makeRoom(for positions: [Range<Int>]) {
    let count = positions.last!.upperBound
    let (queryCount, keyCount) = (config.heads * config.headSize, config.keyHeads * config.headSize)
    // Attention's result and what the MLP adds pass through `normed`.
    normed.ensure(count * max(hiddenSize, queryCount))
    queries.ensure(count * max(hiddenSize, queryCount))
    keys.ensure(count * keyCount)
    values.ensure(count * keyCount)
    gates.ensure(count * config.intermediateSize)
    ups.ensure(count * config.intermediateSize)
    prepareRotation(positions)
  }

  private func prepareRotation(_ positions: [Range<Int>]) {
    let half = config.headSize / 2
    cosines.ensure(positions.last!.upperBound * half)
    sines.ensure(positions.last!.upperBound * half)
    let shared = positions.map(\.count).filter { !config.rotary.needsOwnTable(length: $0) }.max() ?? 0
    let sharedTable = config.rotary.table(length: shared)
    for prompt in positions {
      let isOwn = config.rotary.needsOwnTable(length: prompt.count)
      let table = isOwn ? config.rotary.table(length: prompt.count) : sharedTable
      (cosines.start + prompt.lowerBound * half).update(from: table.cosines, count: prompt.count * half)
      (sines.start + prompt.lowerBound * half).update(from: table.sines, count: prompt.count * half)
    }
  }

  // MARK: Layers

  /// Replaces `hidden` by what the layer makes of it.
  private func run(_ index: Int, _ positions: [Range<Int>], isLast: Bool) throws {
    let layer = tensors.layer(index)
    try weights.prepare(layer.parameters)
    if !isLast { try weights.prepare(tensors.layer(index + 1).parameters) }
    let count = positions.last!.upperBound

    try normalise(layer.attentionNorm, count)
    try observe?([layer.query, layer.key, layer.value], normed, count)
    try project(normed, layer.query, count, into: queries)
    try project(normed, layer.key, count, into: keys)
    try project(normed, layer.value, count, into: values)
    try rotate(layer, count)
    let attention = Attention(
      heads: config.heads, keyHeads: config.keyHeads, headSize: config.headSize,
      window: config.windows[index],
      queries: queries, keys: keys, values: values, result: normed)
    let units = Attention.units(prompts: positions, heads: config.heads)
    try evaluator.perform(units: units.count, for: operation) { attention.run(units[$0]) }
    try observe?([layer.output], normed, count)
    try project(normed, layer.output, count, into: queries, addingTo: hidden)

    try normalise(layer.mlpNorm, count)
    try observe?([layer.gate, layer.up], normed, count)
    try project(normed, layer.gate, count, into: gates)
    try project(normed, layer.up, count, into: ups)
    let (gates, ups) = (gates, ups)
    let (activation, size) = (config.activation, config.intermediateSize)
    try performRows(count) { row in
      activation.apply(gates.start + row * size, times: ups.start + row * size, count: size)
    }
    try observe?([layer.down], gates, count)
    try project(gates, layer.down, count, into: normed, addingTo: hidden)
  }

  /// normed = the norm of hidden.
  private func normalise(_ parameter: DecoderTensors.Parameter, _ count: Int) throws {
    try weights.read(parameter, into: vector)
    let (hidden, normed, vector) = (hidden, normed, vector)
    let (size, epsilon) = (hiddenSize, config.epsilon)
    try performRows(count) { row in
      RootMeanSquareNorm.apply(
        hidden.start + row * size, vector.start, normed.start + row * size, count: size, epsilon: epsilon)
    }
  }

  private func project(
    _ input: FloatBuffer, _ projection: DecoderTensors.Projection, _ count: Int, into result: FloatBuffer,
    addingTo sum: FloatBuffer? = nil
  ) throws {
    try weights.read(projection.weight, into: matrix)
    if let bias = projection.bias { try weights.read(bias, into: vector) }
    let product = MatrixProduct(rows: count, inner: projection.inner, outputs: projection.outputs)
    try product.run(
      input, matrix, bias: projection.bias == nil ? nil : vector, into: result, addingTo: sum, on: evaluator,
      for: operation)
  }

  /// Normalises the heads of queries and keys, where that is done, and turns them by their positions.
  private func rotate(_ layer: DecoderTensors.Layer, _ count: Int) throws {
    let turn = HeadRotation(
      headSize: config.headSize, epsilon: config.epsilon, isNormalised: config.normalisesHeads,
      cosines: cosines,
      sines: sines)
    if let queryNorm = layer.queryNorm, let keyNorm = layer.keyNorm {
      try weights.read(queryNorm, into: vector)
      try weights.read(keyNorm, into: secondVector)
    }
    let (queries, keys, queryNorm, keyNorm) = (queries, keys, vector, secondVector)
    let (heads, keyHeads) = (config.heads, config.keyHeads)
    try performRows(count) { row in
      turn.apply(queries, heads: heads, row: row, norm: queryNorm)
      turn.apply(keys, heads: keyHeads, row: row, norm: keyNorm)
    }
  }

  private func performRows(_ count: Int, _ body: @escaping @Sendable (_ row: Int) -> Void) throws {
    let blocks = Blocks(count: count, most: Self.rowsOfUnit)
    try evaluator.perform(units: blocks.number, for: operation) { blocks[$0].forEach(body) }
  }

  // MARK: Pooling

  /// One row for each prompt, of `hidden`.
  private func pool(_ positions: [Range<Int>], _ pooling: Pooling, into rows: UnsafeMutablePointer<Float>) {
    for (index, prompt) in positions.enumerated() {
      let row = rows + index * hiddenSize
      switch pooling {
      case .last: row.update(from: hidden.start + (prompt.upperBound - 1) * hiddenSize, count: hiddenSize)
      case .mean:
        var sums = [Double](repeating: 0, count: hiddenSize)
        for position in prompt {
          let state = hidden.start + position * hiddenSize
          for i in 0..<hiddenSize { sums[i] += Double(state[i]) }
        }
        for i in 0..<hiddenSize { row[i] = Float(sums[i] / Double(prompt.count)) }
      }
    }
  }
}

/// Turns the heads of a row by its position's cosines and sines, after their norm if they have one.
private struct HeadRotation: Sendable {
  let headSize: Int
  let epsilon: Double
  let isNormalised: Bool
  let cosines: FloatBuffer
  let sines: FloatBuffer

  func apply(_ buffer: FloatBuffer, heads: Int, row: Int, norm: FloatBuffer) {
    let half = headSize / 2
    let (cosines, sines) = (cosines.start + row * half, sines.start + row * half)
    for head in 0..<heads {
      let values = buffer.start + (row * heads + head) * headSize
      if isNormalised {
        RootMeanSquareNorm.apply(values, norm.start, values, count: headSize, epsilon: epsilon)
      }
      for i in 0..<half {
        let (first, second) = (values[i], values[half + i])
        values[i] = first * cosines[i] - second * sines[i]
        values[half + i] = second * cosines[i] + first * sines[i]
      }
    }
  }
}
