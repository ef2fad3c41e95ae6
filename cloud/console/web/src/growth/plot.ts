// The large growth chart, drawn by ECharts: loaded with the dialog that shows it. Colours are the page's own.
import { LineChart, ScatterChart, type LineSeriesOption, type ScatterSeriesOption } from 'echarts/charts';
import { GridComponent, TooltipComponent, type GridComponentOption, type TooltipComponentOption } from 'echarts/components';
import { LabelLayout } from 'echarts/features';
import { init, use, type ComposeOption, type ECharts } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';

import type { GrowthCurves } from '../api/client';
import { covers, curve, MEDIAN, type Measured } from './curves';

use([LineChart, ScatterChart, GridComponent, TooltipComponent, LabelLayout, CanvasRenderer]);

type Option = ComposeOption<LineSeriesOption | ScatterSeriesOption | GridComponentOption | TooltipComponentOption>;

export interface Words {
  weeks: string;
  mm: string;
  centile: (n: number) => string;
  point: string;
}

export interface Plot {
  curves: GrowthCurves;
  measured: Measured;
  /** Undefined where no age is given. */
  weeks: number | undefined;
  words: Words;
}

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function axis(name: string, gap: number) {
  return {
    type: 'value' as const,
    name,
    nameLocation: 'middle' as const,
    nameGap: gap,
    nameTextStyle: { color: token('--muted') },
    axisLine: { show: true, lineStyle: { color: token('--edge') } },
    axisLabel: { color: token('--muted') },
    splitLine: { lineStyle: { color: token('--line') } },
  };
}

function lines({ curves, words }: Plot): LineSeriesOption[] {
  return curves.centiles.map((centile, place) => ({
    type: 'line',
    name: words.centile(centile),
    data: curve(curves, place),
    showSymbol: false,
    lineStyle: {
      color: token(centile === MEDIAN ? '--accent' : '--muted'),
      width: centile === MEDIAN ? 2.5 : 1.4,
      type: centile === MEDIAN ? 'solid' : 'dashed',
    },
    itemStyle: { color: token(centile === MEDIAN ? '--accent' : '--muted') },
    endLabel: { show: true, formatter: words.centile(centile), color: token('--text'), distance: 5 },
    labelLayout: { moveOverlap: 'shiftY' },
  }));
}

/** The measured point with one sigma; without an age, a line across all weeks. */
function mark({ curves, measured: { mm, sd }, weeks, words }: Plot): (LineSeriesOption | ScatterSeriesOption)[] {
  const colour = token('--text');
  if (weeks === undefined) {
    const ends = [curves.weeks.at(0), curves.weeks.at(-1)].flatMap((week) => (week ? [[week.weeks, mm]] : []));
    const lineStyle = { color: colour, width: 1.5, type: 'dotted' as const };
    return [{ type: 'line', name: words.point, data: ends, showSymbol: false, lineStyle, itemStyle: { color: colour } }];
  }
  if (!covers(curves, weeks)) return [];
  const bar: LineSeriesOption = {
    type: 'line',
    silent: true,
    tooltip: { show: false },
    data: [
      [weeks, mm - (sd ?? 0)],
      [weeks, mm + (sd ?? 0)],
    ],
    symbol: 'rect',
    symbolSize: [11, 2],
    lineStyle: { color: colour, width: 2 },
    itemStyle: { color: colour },
    z: 4,
  };
  const point: ScatterSeriesOption = {
    type: 'scatter',
    name: words.point,
    data: [[weeks, mm]],
    symbolSize: 10,
    itemStyle: { color: colour, borderColor: token('--panel'), borderWidth: 2 },
    z: 5,
  };
  return sd === null ? [point] : [bar, point];
}

function option(plot: Plot): Option {
  const { curves, words } = plot;
  return {
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: 64, right: 62, top: 18, bottom: 52 },
    tooltip: {
      // The page's policy allows no markup with styles of its own.
      renderMode: 'richText',
      trigger: 'axis',
      backgroundColor: token('--raised'),
      borderColor: token('--edge'),
      textStyle: { color: token('--text'), fontSize: 12 },
      valueFormatter: (value) => `${Number(value).toFixed(1)} ${words.mm}`,
    },
    xAxis: { ...axis(words.weeks, 30), min: curves.weeks.at(0)?.weeks, max: curves.weeks.at(-1)?.weeks, interval: 2, axisPointer: { label: { precision: 0 } } },
    yAxis: { ...axis(words.mm, 42), scale: true },
    series: [...lines(plot), ...mark(plot)],
  };
}

/** Draws into an element and keeps to its size and to the page's colours. Gives what redraws and what ends it. */
export function draw(element: HTMLElement, first: Plot): { show: (plot: Plot) => void; end: () => void } {
  let plot = first;
  const chart: ECharts = init(element, null, { renderer: 'canvas' });
  const paint = () => chart.setOption(option(plot), { notMerge: true });
  const size = new ResizeObserver(() => chart.resize());
  const theme = new MutationObserver(paint);
  size.observe(element);
  theme.observe(document.documentElement, { attributes: true, attributeFilter: ['class', 'data-theme'] });
  paint();
  return {
    show: (next) => {
      plot = next;
      paint();
    },
    end: () => {
      size.disconnect();
      theme.disconnect();
      chart.dispose();
    },
  };
}
