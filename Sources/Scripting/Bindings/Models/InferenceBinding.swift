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
        let pooling = try Self.pooling(call, 3)
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
    ]
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
    } catch let error as InferenceError { throw LuaError("\(call.name): \(error)") }
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

  /// `{ pool = "last" }` or `{ pool = "mean" }`; the last position's where nothing is said.
  private static func pooling(_ call: LuaCall, _ argument: Int) throws -> ForwardPass.Pooling {
    var pooling = ForwardPass.Pooling.last
    guard !call.isAbsent(argument) else { return pooling }
    try call.table(argument)
    try call.lua.forEachPair(at: argument) {
      guard let key = call.lua.string(at: -2), key == "pool" else {
        throw call.argumentError(
          argument, "unknown option '\(call.lua.string(at: -2) ?? "?")', expected pool")
      }
      guard let name = call.lua.string(at: -1) else {
        throw call.argumentError(argument, "pool: string expected, got \(call.lua.typeName(at: -1))")
      }
      guard let known = ForwardPass.Pooling(rawValue: name) else {
        let hint =
          nearestName(to: name, among: ForwardPass.Pooling.allCases.map(\.rawValue))
          .map { " (did you mean '\($0)'?)" } ?? ""
        throw call.argumentError(argument, "pool: 'last' or 'mean' expected, got '\(name)'\(hint)")
      }
      pooling = known
    }
    return pooling
  }
}
