# The methods that are timed, and their configs. Sourced by scripts/benchmark.

# Each: name, models that it reads, goal as a ratio to cp (- where there is none).
# `user` is tempered_consensus.lua, a method as users write their own.
methods=(
  "passthrough 1 1.1"
  "linear 2 1.3"
  "task_arithmetic 3 1.6"
  "slerp 2 2"
  "dare_ties 3 3"
  "ties 3 5"
  "breadcrumbs 3 5"
  "sce 3 5"
  "model_stock 3 3"
  "multislerp 3 3"
  "karcher 2 3"
  "della 3 8"
  "arcee_fusion 2 8"
  "user 3 5"
  "dare_linear 3 -"
  "della_linear 3 -"
  "breadcrumbs_ties 3 -"
  "nuslerp 2 -"
  "nearswap 2 -"
  "ram 3 -"
  "ramplus_tl 3 -"
)

# models_read METHOD
models_read() {
  local entry name models goal
  for entry in "${methods[@]}"; do
    read -r name models goal <<< "$entry"
    if [ "$name" = "$1" ]; then echo "$models"; fi
  done
}

method_names() { printf '%s\n' "${methods[@]}" | cut -d ' ' -f 1; }

# config_of METHOD: its config, of models in the working directory.
config_of() {
  local name=$1
  [ "$name" = user ] && name=./tempered_consensus.lua
  echo "merge_method: $name"
  case $1 in
    passthrough)
      echo "models: [{model: math}]" ;;
    linear | nuslerp)
      echo "models: [{model: math, parameters: {weight: 0.6}}, {model: code, parameters: {weight: 0.4}}]" ;;
    karcher)
      echo "models: [{model: math}, {model: code}]" ;;
    slerp)
      echo "base_model: math"
      echo "models: [{model: math}, {model: code}]"
      echo "parameters: {t: 0.4}" ;;
    nearswap)
      echo "base_model: math"
      echo "models: [{model: math}, {model: code}]"
      echo "parameters: {t: 0.001}" ;;
    arcee_fusion)
      echo "base_model: base"
      echo "models: [{model: base}, {model: math}]" ;;
    model_stock | ram | ramplus_tl)
      echo "base_model: base"
      echo "models: [{model: math}, {model: code}]" ;;
    sce)
      echo "base_model: base"
      echo "models: [{model: math}, {model: code}]"
      echo "parameters: {select_topk: 0.5}" ;;
    task_arithmetic | multislerp)
      echo "base_model: base"
      echo "models: [{model: math, parameters: {weight: 0.6}}, {model: code, parameters: {weight: 0.4}}]" ;;
    user)
      echo "base_model: base"
      echo "models: [{model: math, parameters: {weight: 0.6}}, {model: code, parameters: {weight: 0.4}}]"
      echo "parameters: {density: 0.5}" ;;
    *)
      echo "base_model: base"
      echo "models:"
      echo "- {model: math, parameters: {weight: 0.6, density: 0.5}}"
      echo "- {model: code, parameters: {weight: 0.4, density: 0.5}}" ;;
  esac
  echo "dtype: bfloat16"
}
