import Basics

/// A merge by the options that mergekit had before configs, which mergekit-legacy takes.
package struct LegacyMerge {
  package var models: [String] = []
  package var base: String?
  package var method = "ties"
  /// For all models where it is one, else by position, with a base that is no model last.
  package var weights: [Double] = []
  /// As `weights`.
  package var densities: [Double] = []
  /// `nil` where the method has no such parameter.
  package var normalizes: Bool?
  package var usesInt8Masks = false
  package var dtype: String?

  package init() {}

  /// The models, and after them a base that is none of them.
  private var inputs: [String] {
    guard let base, !models.contains(base) else { return models }
    return models + [base]
  }

  /// What is wrong with the options; `nil` if nothing is.
  package var problem: String? {
    if models.isEmpty { return "Missing expected argument '--merge <model>'" }
    if method == "slerp", weights.count != 1 {
      return "--method slerp takes exactly one --weight, its t, got \(weights.count)"
    }
    for (option, values) in [("--weight", weights), ("--density", densities)]
    where values.count > inputs.count {
      return
        "\(option) is given \(values.count) times for \(inputs.count) model\(inputs.count == 1 ? "" : "s")"
    }
    return nil
  }

  /// The config that says the same.
  package var config: JSON {
    var config = JSONObject()
    if let base { config["base_model"] = .string(base) }
    if let dtype { config["dtype"] = .string(dtype) }
    config["merge_method"] = .string(method)
    config["models"] = .array(
      inputs.enumerated().map { index, model in
        var parameters = JSONObject()
        if let density = value(densities, index) { parameters["density"] = density }
        if method != "slerp", let weight = value(weights, index) { parameters["weight"] = weight }
        var entry: JSONObject = ["model": .string(model)]
        if !parameters.keys.isEmpty { entry["parameters"] = .object(parameters) }
        return .object(entry)
      })
    var parameters = JSONObject()
    if usesInt8Masks { parameters["int8_mask"] = .bool(true) }
    if let normalizes { parameters["normalize"] = .bool(normalizes) }
    if method == "slerp" { parameters["t"] = value(weights, 0) }
    if !parameters.keys.isEmpty { config["parameters"] = .object(parameters) }
    return .object(config)
  }

  /// The value of the model at an index.
  private func value(_ values: [Double], _ index: Int) -> JSON? {
    if values.count == 1 { return JSON(values[0]) }
    return index < values.count ? JSON(values[index]) : nil
  }
}
