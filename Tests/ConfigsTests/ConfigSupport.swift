import Basics
import Configs
import Foundation

/// Declarations of a few methods, like those of the standard library.
let methods: [String: MethodDeclaration] = {
  typealias Parameter = MethodDeclaration.Parameter
  let weight = Parameter(name: "weight", type: .number, isRequired: true, isPerInput: true)
  let density = Parameter(name: "density", type: .number, isPerInput: true)
  let normalize = Parameter(name: "normalize", type: .boolean)
  let list = [
    MethodDeclaration(
      name: "ties",
      parameters: [
        normalize, Parameter(name: "int8_mask", type: .boolean), Parameter(name: "lambda", type: .number),
        weight, density,
      ]),
    MethodDeclaration(
      name: "della",
      parameters: [normalize, weight, density, Parameter(name: "epsilon", type: .number, isPerInput: true)]),
    MethodDeclaration(name: "linear", parameters: [normalize, weight]),
    MethodDeclaration(
      name: "fisher", parameters: [Parameter(name: "fisher", type: .tensor, isPerInput: true)]
    ),
    MethodDeclaration(
      name: "slerp",
      parameters: [Parameter(name: "t", type: .number, isRequired: true)]),
    MethodDeclaration(
      name: "nuslerp",
      parameters: [weight, Parameter(name: "mode", type: .string)]),
    MethodDeclaration(
      name: "passthrough",
      parameters: [Parameter(name: "scale", type: .number, isPerInput: true)]),
    MethodDeclaration(
      name: "karcher",
      parameters: [Parameter(name: "max_iter", type: .integer), Parameter(name: "tol", type: .number)]),
  ]
  var methods = Dictionary(uniqueKeysWithValues: list.map { ($0.name, $0) })
  methods["./consensus.lua"] = MethodDeclaration(
    name: "consensus",
    parameters: [Parameter(name: "power", type: .number, isPerInput: true)])
  return methods
}()

func translate(
  _ yaml: String, path: String = "config.yml", options: TranslationOptions = TranslationOptions()
) throws -> Translation {
  try ConfigFile(text: yaml, path: path).translate(methods: methods, options: options)
}

/// The message of the error that a config leads to.
func message(_ yaml: String, options: TranslationOptions = TranslationOptions()) -> String {
  do {
    let translation = try translate(yaml, options: options)
    return "no error, but the recipe\n" + translation.recipe
  } catch { return "\(error)" }
}

/// A merge of two models whose first has the given parameter, in a flow mapping's value.
func linear(weight: String) -> String {
  """
  merge_method: linear
  models:
    - model: a
      parameters:
        weight: \(weight)
    - model: b
      parameters: {weight: 1}
  """
}

/// The text of a file below Tests/Fixtures/configs.
func fixture(_ name: String) throws -> String {
  let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  return try String(contentsOf: tests.appendingPathComponent("Fixtures/configs/\(name)"), encoding: .utf8)
}

extension Translation {
  /// The location of a value by its path as texts show it.
  func place(ofPath path: String, atLine line: Int? = nil) -> String? {
    location(of: KeyPath(parsing: path), atLine: line)?.description
  }

  func place(ofLine line: Int) -> String? { location(ofLine: line)?.description }
}
