import ArgumentParser
import Basics
import Merging

/// How standard error is written.
enum LogFormat: String, ExpressibleByArgument, CaseIterable {
  /// For people.
  case text
  /// For programs: one JSON object a line.
  case json

  /// The format that arguments ask for, known before they are parsed: what is wrong with them is said in it too.
  static func chosen(by arguments: [String]) -> LogFormat {
    let name = "--log-format"
    var chosen = LogFormat.text
    for (index, argument) in arguments.enumerated().prefix(while: { $1 != "--" }) {
      if argument == name, index + 1 < arguments.count {
        chosen = LogFormat(rawValue: arguments[index + 1]) ?? chosen
      } else if argument.hasPrefix(name + "=") {
        chosen = LogFormat(rawValue: String(argument.dropFirst(name.count + 1))) ?? chosen
      }
    }
    return chosen
  }
}

extension MergeEvent {
  /// The event as programs read it.
  func json(in outputs: [Output]) -> JSON {
    switch self {
    case .planned(let outputs): Self.json("planned", outputs)
    case .finished(let outputs): Self.json("finished", outputs)
    case .warning(let diagnostic): DiagnosticRenderer().json(diagnostic, severity: .warning)
    case .tensorBegun(let tensor): Self.json("tensor_begun", tensor, outputs)
    case .tensorDone(let tensor): Self.json("tensor_done", tensor, outputs)
    case .computing(let part, let done, let all): Self.json("computing", part, done, all)
    }
  }

  private static func json(_ name: String, _ part: String, _ done: Int, _ all: Int) -> JSON {
    let object: JSONObject = [
      "event": .string(name), "part": .string(part), "done": JSON(done), "of": JSON(all),
    ]
    return .object(object)
  }

  private static func json(_ name: String, _ outputs: [Output]) -> JSON {
    let list = outputs.map { output -> JSON in
      let object: JSONObject = [
        "path": .string(output.path.string), "tensors": JSON(output.tensors), "bytes": JSON(output.bytes),
      ]
      return .object(object)
    }
    let object: JSONObject = ["event": .string(name), "outputs": .array(list)]
    return .object(object)
  }

  private static func json(_ name: String, _ tensor: Tensor, _ outputs: [Output]) -> JSON {
    var object: JSONObject = ["event": .string(name), "tensor": .string(tensor.name)]
    if outputs.indices.contains(tensor.output) {
      object["output"] = .string(outputs[tensor.output].path.string)
    }
    object["bytes"] = JSON(tensor.bytes)
    return .object(object)
  }
}
