import Basics
import Inference
import Lua
import Merging
import Tensors

/// The methods of models that run them on prompts.
final class InferenceBinding: Binding {
  private let models: ModelBinding

  init(in setup: BindingSetup) throws {
    models = try setup.binding()
    try setup.lua.addMethods(methods, to: models.type)
  }

  private var methods: [String: LuaFunction] {
    let (models, tensors, graph) = (models, models.tensors, models.context.graph)
    return [
      "hidden_states": { call in
        let prompts = try Self.prompts(call, 2)
        let pooling: ForwardPass.Pooling = try Self.option("pool", call, 3) ?? .last
        return try Self.running(call, models) { pass in
          let states = try pass.hiddenStates(of: prompts, pooling: pooling)
          let shape = Shape([prompts.count, pass.hiddenSize])
          try call.lua.createTable(elements: states.count)
          for (layer, rows) in states.enumerated() {
            try tensors.push(graph.values(rows, shape: shape), to: call.lua)
            try call.lua.setElement(layer + 1, at: -2)
          }
        }
      },
      "next_token_logits": { call in
        let prompts = try Self.prompts(call, 2)
        return try Self.running(call, models) { pass in
          let logits = try pass.nextTokenLogits(of: prompts)
          let shape = Shape([prompts.count, pass.vocabularySize])
          try tensors.push(graph.values(logits, shape: shape), to: call.lua)
        }
      },
      "inputs": { call in
        let prompts = try Self.prompts(call, 2)
        guard let statistic: InputStatistic = try Self.option("statistic", call, 3) else {
          throw call.argumentError(
            3, "statistic: \(Self.alternatives(of: InputStatistic.self)) expected, got nothing")
        }
        let model = try models.model(call, 1)
        return try Self.running(call, models) { pass in
          let tensors = try pass.inputStatistics(of: prompts, statistic)
          try models.push(Self.model(of: tensors, enteringLayersOf: model, graph), to: call.lua)
        }
      },
    ]
  }

  /// Statistics as a model with the names of the weights.
  private static func model(
    of tensors: [InputTensor], enteringLayersOf model: any LazyModel, _ graph: ExpressionGraph
  ) throws -> DerivedModel {
    var known: [String: InputTensor] = [:]
    for tensor in tensors { for name in tensor.names { known[name] = tensor } }
    return try DerivedModel(
      DerivedModel.Definition(
        label: "inputs of \(model.label)", names: model.names.filter { known[$0] != nil }, like: model,
        sources: [model], dtype: .f32,
        specify: { known[$0].map { TensorSpecification(shape: $0.shape, dtype: .f32) } }
      ) { name in try graph.stored(known[name]!.leaf, shape: known[name]!.shape) }, graph: graph)
  }

  /// Pushes one result of a forward pass of the model that is called on.
  private static func running(
    _ call: LuaCall, _ models: ModelBinding, _ body: (ForwardPass) throws -> Void
  ) throws -> Int {
    let model = try models.model(call, 1)
    do {
      try body(
        ForwardPass(
          model: model, graph: models.context.graph, evaluator: models.context.evaluator, operation: call.name
        ))
    } catch TensorError.cancelled {
      throw LuaError.interrupted
    } catch let error as InferenceError {
      var diagnostic = Diagnostic(error)
      diagnostic.function = call.name
      throw LuaError(diagnostic)
    }
    return 1
  }

  /// A list of lists of token ids.
  private static func prompts(_ call: LuaCall, _ argument: Int) throws -> [[Int]] {
    try call.table(argument)
    let lua = call.lua
    var prompts: [[Int]] = []
    // Lists may share lists, so that few tables stand for many numbers.
    var (count, charged) = (0, 0)
    defer { lua.discharge(charged) }
    try lua.forEachElement(at: argument) { number in
      guard lua.kind(at: -1) == .table else {
        throw call.argumentError(
          argument, "prompt \(number): list of token ids expected, got \(lua.typeName(at: -1))")
      }
      var tokens: [Int] = []
      try lua.forEachElement(at: lua.absolute(-1)) { place in
        guard let token = lua.integer(at: -1) else {
          throw call.argumentError(
            argument, "prompt \(number): token \(place): integer expected, got \(lua.typeName(at: -1))")
        }
        tokens.append(token)
        count += 1
        if count * 8 - charged >= 1 << 16 {
          try lua.checkInterrupt()
          try lua.charge(count * 8 - charged)
          charged = count * 8
        }
      }
      prompts.append(tokens)
    }
    return prompts
  }

  /// The value of the one option in a table of options, if there is one.
  private static func option<Value: RawRepresentable<String> & CaseIterable>(
    _ name: String, _ call: LuaCall, _ argument: Int
  ) throws -> Value? {
    guard !call.isAbsent(argument) else { return nil }
    try call.table(argument)
    var found: Value?
    try call.lua.forEachPair(at: argument) {
      guard let key = call.lua.string(at: -2), key == name else {
        throw call.argumentError(
          argument, "unknown option '\(call.lua.string(at: -2) ?? "?")', expected \(name)")
      }
      guard let text = call.lua.string(at: -1) else {
        throw call.argumentError(argument, "\(name): string expected, got \(call.lua.typeName(at: -1))")
      }
      guard let value = Value(rawValue: text) else {
        let nearest = nearestName(to: text, among: Value.allCases.map(\.rawValue))
        throw call.argumentError(
          argument,
          "\(name): \(alternatives(of: Value.self)) expected, got \(name: text)\(didYouMean: nearest)")
      }
      found = value
    }
    return found
  }

  /// The values of an option in words: `'last' or 'mean'`.
  private static func alternatives<Value: RawRepresentable<String> & CaseIterable>(of type: Value.Type)
    -> String
  {
    let names = type.allCases.map { "'\($0.rawValue)'" }
    return names.count < 3
      ? names.joined(separator: " or ") : names.dropLast().joined(separator: ", ") + " or " + names.last!
  }
}
