import Basics

/// The tensors of each layer of a module, as far as layers can differ in them.
package struct LayerContents: Sendable {
  /// By layer, the tensors with what follows the layer's number and their shapes. Numbers within are left out,
  /// as there may be hundreds of experts, and how many there are is noted instead.
  let layers: [Set<String>]

  /// - Parameters:
  ///   - names: Those of all tensors of the model, other modules' too.
  ///   - shape: Gives a tensor's dimensions.
  package init(
    _ module: Architecture.Module, names: some Sequence<String>, shape: (String) throws -> [Int]?
  ) rethrows {
    var counts: [[String: Int]] = []
    let prefixes = module.allPrefixes
    for name in names {
      guard let number = NumberedComponents(name).first(where: { prefixes.contains(String($0.prefix)) })
      else {
        continue
      }
      while counts.count <= number.value, number.value < 100_000 { counts.append([:]) }
      guard counts.indices.contains(number.value) else { continue }
      let list = prefixes.count > 1 ? "\(number.list)." : ""
      let dimensions = try shape(name).map { "\($0)" } ?? ""
      counts[number.value][list + Self.withoutNumbers(number.rest) + "|" + dimensions, default: 0] += 1
    }
    layers = counts.map { entries in Set(entries.map { $1 == 1 ? $0 : "\($0)×\($1)" }) }
  }

  subscript(layer: Int) -> Set<String> { layers[safe: layer] ?? [] }

  /// A tensor's name for messages.
  static func name(of tensor: String) -> String { String(tensor.prefix { $0 != "|" }) }

  private static func withoutNumbers(_ rest: Substring) -> String {
    guard rest.utf8.contains(where: { (0x30...0x39).contains($0) }) else { return String(rest) }
    return rest.split(separator: ".").map { $0.allSatisfy(\.isNumber) ? "#" : String($0) }
      .joined(separator: ".")
  }
}

extension Architecture.Module {
  /// What stands before the layers' numbers in all lists that are the layers together.
  var allPrefixes: Set<String> { Set((layerPrefix.map { [$0] } ?? []) + furtherPrefixes) }
}
