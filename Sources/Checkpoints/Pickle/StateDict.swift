import Basics

/// The tensors of a pickle by their names: a dict of tensors, or one within the wrappers that trainers put around it.
struct StateDict {
  /// The tensors, of a name that comes twice the last.
  private(set) var entries: [(name: String, tensor: Int32)] = []

  /// Keys under which trainers keep the tensors of a model beside other things.
  private static let wrappers = ["state_dict", "model_state_dict", "model", "module"]

  private let machine: PickleMachine

  init(_ value: PickleValue, _ machine: PickleMachine) throws {
    self.machine = machine
    var value = value
    // A wrapper within a wrapper is as far as it goes.
    for _ in 0..<3 {
      guard case .dictionary(let number) = value else {
        throw PickleProblem.notStateDict(found: Self.kind(value))
      }
      let items = machine.dictionaries[Int(number)]
      entries = try tensors(in: items)
      if !entries.isEmpty { return }
      guard let inner = wrapped(in: items) else { break }
      value = inner
    }
    guard case .dictionary(let number) = value else {
      throw PickleProblem.notStateDict(found: Self.kind(value))
    }
    throw PickleProblem.noTensors(keys: machine.dictionaries[Int(number)].compactMap { machine.text($0.key) })
  }

  private func tensors(
    in items: [(key: PickleValue, value: PickleValue)]
  ) throws -> [(name: String, tensor: Int32)] {
    var found: [(name: String, tensor: Int32)] = []
    var places: [ByteKey: Int] = [:]
    for (key, value) in items {
      // Versions, steps and other settings beside the tensors are none.
      guard case .tensor(let tensor) = value else { continue }
      guard let name = machine.text(key) else { throw PickleProblem.keyNotText(found: Self.kind(key)) }
      if let place = places[ByteKey(string: name)] {
        found[place].tensor = tensor
      } else {
        places[ByteKey(string: name)] = found.count
        found.append((name, tensor))
      }
    }
    return found
  }

  private func wrapped(in items: [(key: PickleValue, value: PickleValue)]) -> PickleValue? {
    for wrapper in Self.wrappers {
      for (key, value) in items where machine.text(key) == wrapper {
        if case .dictionary = value { return value }
      }
    }
    return nil
  }

  private static func kind(_ value: PickleValue) -> String {
    switch value {
    case .none: "None"
    case .bool: "a boolean"
    case .int, .float: "a number"
    case .string: "a text"
    case .tuple: "a tuple"
    case .list: "a list"
    case .dictionary: "a dict"
    case .global: "a name of PyTorch's"
    case .storage: "a storage"
    case .tensor: "a tensor by itself"
    }
  }
}
