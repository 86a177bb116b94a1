/** Scripts that went wrong once, cut down: what the model found in the product. */
import { parseScript, type Script } from './script.js';

export const foundScripts: Readonly<Record<string, Script>> = {
  'a symbolic link that moves keeps its time in the base': parseScript(`
    {"do":"create","at":{"folder":1,"name":"d"},"node":8,"kind":"file","mode":1060,"mtimeNs":"1237093811775922171","bytes":0,"salt":878558}
    {"do":"create","at":{"folder":1,"name":"e"},"node":12,"kind":"symlink","mode":1301,"mtimeNs":"350658240200868493","bytes":0,"salt":324416}
    {"do":"sync","salt":469930,"frameBytes":200000,"troubles":[],"then":"same"}
    {"do":"swap","a":{"folder":1,"name":"d"},"b":{"folder":1,"name":"e"}}
    {"do":"sync","salt":909506,"frameBytes":200000,"troubles":[],"then":"same"}`),
  'a folder keeps its time when a file in it is written anew': parseScript(`
    {"do":"create","at":{"folder":1,"name":"c"},"node":10,"kind":"folder","mode":2941,"mtimeNs":"-1370166955446068767","bytes":0,"salt":181069}
    {"do":"create","at":{"folder":10,"name":"a"},"node":14,"kind":"folder","mode":3098,"mtimeNs":"1413328763763903624","bytes":0,"salt":204368}
    {"do":"create","at":{"folder":14,"name":"d"},"node":16,"kind":"file","mode":3826,"mtimeNs":"154612045271518997","bytes":0,"salt":381514}
    {"do":"sync","salt":348156,"frameBytes":200000,"troubles":[],"then":"same"}
    {"do":"resize","node":16,"bytes":11867,"mtimeNs":"612893278065375831"}
    {"do":"sync","salt":173765,"frameBytes":200000,"troubles":[],"then":"other"}`),
  'times of a small sync are flushed before its point': parseScript(`
    {"do":"create","at":{"folder":1,"name":"a"},"node":12,"kind":"symlink","mode":3784,"mtimeNs":"-1603062068850746110","bytes":0,"salt":273259}
    {"do":"create","at":{"folder":1,"name":"b"},"node":21,"kind":"folder","mode":748,"mtimeNs":"1898120423854288280","bytes":0,"salt":53166}
    {"do":"sync","salt":860945,"frameBytes":200000,"troubles":[{"how":"power","kept":"none","salt":1,"name":"unlink intent","nth":1}],"then":"other"}`),
  'a clean-up that meets a full disk is done again': parseScript(`
    {"do":"create","at":{"folder":1,"name":"b"},"node":7,"kind":"symlink","mode":2403,"mtimeNs":"1382461737897907215","bytes":0,"salt":592680}
    {"do":"sync","salt":79864,"frameBytes":200000,"troubles":[],"then":"same"}
    {"do":"create","at":{"folder":1,"name":"b"},"node":8,"kind":"file","mode":2155,"mtimeNs":"671437685162231458","bytes":5000,"salt":145529,"instead":true}
    {"do":"sync","salt":591261,"frameBytes":200000,"troubles":[{"how":"full","name":"mkdir intent","nth":2}],"then":"same"}`),
  'a dropped sync that a full disk cut short while it was put aside goes with the next point':
    parseScript(`
    {"do":"create","at":{"folder":1,"name":"b"},"node":2,"kind":"file","mode":3186,"mtimeNs":"1779450451743260792","bytes":5000,"salt":453338}
    {"do":"sync","salt":632141,"frameBytes":200000,"troubles":[{"how":"power","kept":"bytes","salt":146,"name":"create new","nth":1},{"how":"full","name":"rename new to leftover","nth":1}],"then":"other"}
    {"do":"sync","salt":868864,"frameBytes":200000,"troubles":[],"then":"same"}`),
};
